package globals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

const (
	// maxSize is how large a script may be, in bytes: 100,000 roles take about 20 MiB.
	maxSize = 64 << 20
	// scriptEnd is how pg_dumpall ends every script.
	scriptEnd = "\n-- PostgreSQL database cluster dump complete"
)

// Options are what the user wants.
type Options struct {
	// Missing: roles and tablespaces that are there stay as they are.
	Missing bool
	// Selected: a part of the snapshot is restored, so that only what it needs is made.
	Selected bool
	// NoTablespaces: tablespaces are not restored.
	NoTablespaces bool
	// ExitOnError: nothing is run after the first error.
	ExitOnError bool
}

// Globals are the roles and tablespaces of a snapshot. It is safe for concurrent use.
type Globals struct {
	options Options
	script  sqlscript.Script
	actions []sqlscript.Action

	mu     sync.Mutex
	there  *Needs // what was there before the first statement; nil before
	needed Needs  // by what has been restored so far
	done   []bool // statements that were run, or are not to be
	last   []sqlscript.Statement
}

// Read reads pg_dumpall's script. Of one that is damaged, or that has what only psql would
// act upon, nothing is restored.
func Read(content io.Reader, o Options) (*Globals, error) {
	script, err := io.ReadAll(io.LimitReader(content, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the globals (roles and tablespaces): %w", err)
	case len(script) > maxSize:
		return nil, fmt.Errorf("the globals (roles and tablespaces) are larger than %s: nothing of them was restored", humanize.IBytes(maxSize))
	case !bytes.Contains(script, []byte(scriptEnd)):
		return nil, errors.New("the globals (roles and tablespaces) are damaged: their end is missing, nothing of them was restored")
	}
	parsed, err := sqlscript.Parse(string(script))
	if err != nil {
		return nil, fmt.Errorf("the globals (roles and tablespaces) are not what pg_dumpall writes, nothing of them was restored: %w", err)
	}
	g := &Globals{options: o, script: parsed, needed: NewNeeds()}
	g.script.Statements = nil
	for _, statement := range parsed.Statements {
		// Members that come with a new role are for the same rules as others.
		for _, s := range statement.SplitMembers() {
			action := s.Read()
			g.script.Statements, g.actions = append(g.script.Statements, s), append(g.actions, action)
			g.done = append(g.done, o.NoTablespaces && action.Class == sqlscript.Tablespace)
		}
	}
	return g, nil
}

// Restore restores what applies, with Options.Selected what of it is needed in addition to
// what was needed before.
func (g *Globals) Restore(ctx context.Context, s *server.Server, needs Needs) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.session(ctx, s, func(r *runner) error {
		if err := g.addLocked(ctx, r.session, needs); err != nil {
			return err
		}
		if err := g.inspectLocked(ctx, r.session); err != nil {
			return err
		}
		return r.run(ctx, g.chooseLocked(s.Roles))
	})
}

// Finish restores the settings of the roles that restore.
func (g *Globals) Finish(ctx context.Context, s *server.Server) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	settings := g.last
	g.last = nil
	if len(settings) == 0 {
		return nil
	}
	return g.session(ctx, s, func(r *runner) error { return r.run(ctx, settings) })
}

func (g *Globals) session(ctx context.Context, s *server.Server, do func(*runner) error) error {
	err := s.WithSession(ctx, &g.script, func(session *server.Session) error {
		return do(&runner{session: session, exitOnError: g.options.ExitOnError})
	})
	if err != nil {
		return fmt.Errorf("restoring the globals (roles and tablespaces): %w", err)
	}
	return nil
}

// addLocked adds names to those that are needed.
func (g *Globals) addLocked(ctx context.Context, session *server.Session, needs Needs) error {
	for _, add := range []struct{ from, to map[string]bool }{{needs.Roles, g.needed.Roles}, {needs.Tablespaces, g.needed.Tablespaces}} {
		for name := range add.from {
			name, err := session.NameFrom(ctx, name, needs.Encoding)
			if err != nil {
				return err
			}
			add.to[name] = true
		}
	}
	return nil
}

// inspectLocked looks once what is there.
func (g *Globals) inspectLocked(ctx context.Context, session *server.Session) error {
	if g.there != nil || !g.options.Missing {
		return nil
	}
	there := NewNeeds()
	for sql, names := range map[string]map[string]bool{
		"SELECT rolname::text FROM pg_catalog.pg_roles":      there.Roles,
		"SELECT spcname::text FROM pg_catalog.pg_tablespace": there.Tablespaces,
	} {
		found, err := session.Names(ctx, sql)
		if err != nil {
			return fmt.Errorf("asking which are there: %w", err)
		}
		for _, name := range found {
			names[name] = true
		}
	}
	g.there = &there
	return nil
}

// chooseLocked returns the statements that are to be run now, and marks them as done.
func (g *Globals) chooseLocked(restorers []string) []sqlscript.Statement {
	c := chooser{restorers: restorers, missing: g.options.Missing}
	if c.missing {
		c.there = *g.there
	}
	if g.options.Missing && g.options.Selected {
		c.needed = &g.needed
	}
	var chosen []sqlscript.Statement
	var session []sqlscript.Statement // SET SESSION AUTHORIZATION that nothing has needed yet
	changed := false                  // it is in chosen, and not reset
	for n, statement := range g.script.Statements {
		action := g.actions[n]
		fate := c.decide(action)
		switch {
		case fate == withNext && len(action.Roles) > 0:
			session = []sqlscript.Statement{statement}
		case fate == withNext:
			if session = nil; changed {
				chosen, changed = append(chosen, statement), false
			}
		case g.done[n] || fate == skip:
		case fate == last:
			g.done[n] = true
			g.last = append(g.last, statement)
		default:
			g.done[n] = true
			changed = changed || session != nil
			chosen = append(append(chosen, session...), g.reduced(statement, action))
			session = nil
		}
	}
	return chosen
}

// reduced is the statement, less powers over everything if a part is restored.
func (g *Globals) reduced(s sqlscript.Statement, a sqlscript.Action) sqlscript.Statement {
	if a.Class != sqlscript.Role || a.Verb != sqlscript.Alter && a.Verb != sqlscript.Create || !g.options.Missing || !g.options.Selected {
		return s
	}
	reduced, powers := s.WithoutPowers()
	if len(powers) > 0 {
		warnPowers(a.Names[0].Text, powers)
	}
	return reduced
}

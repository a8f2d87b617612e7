package logical

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

const (
	// template0 is not saved even if somebody lets sessions into it: a restore that
	// replaced it would leave a server whose CREATE DATABASE is not to be trusted.
	template0 = "template0"
	// providersDatabase is Amazon's own; see options.ImportAWS.
	providersDatabase = "rdsadmin"
)

// plan is what a backup consists of.
type plan struct {
	globals   bool // roles and tablespaces
	passwords bool // the roles' passwords among them
	dumps     []dump
	// completion is of the one database whose parts the options select.
	completion completion
	warnings   []string
}

type dump struct {
	path     string // of the record, or of the directory with the parts
	database string
	oid      uint32
	small    bool    // smallDatabase or less
	size     int64   // of the database on the server, in bytes; 0: not known
	tables   []table // that have a file of their own; none: the dump is one file

	// statistics are pg_dump's arguments for the planner's statistics.
	statistics func() []string
}

// makePlan decides what to dump. selected is the one database, or "" for all that
// allow connections less the excluded ones.
func makePlan(o *options.Import, s *server, selected string) (plan, error) {
	p := plan{globals: !o.DataOnly, passwords: s.passwords}
	if p.globals && !p.passwords {
		p.warnings = append(p.warnings, "the user may not read pg_authid: the roles are saved without their passwords")
	}
	if selected == template0 {
		return plan{}, errors.New(`option "database": template0 is not backed up: every server has its own, which CREATE DATABASE needs as it is`)
	}
	names := []string{selected}
	known := make(map[string]database)
	for _, d := range s.databases {
		known[d.name] = d
	}
	if selected == "" {
		var skipped []string
		names, skipped = selectDatabases(s.databases, o.ExcludeDatabases)
		p.warnings = append(p.warnings, skipped...)
		for _, name := range o.ExcludeDatabases {
			// The default of postgres+aws is no typing error where it is not needed.
			if _, there := known[name]; !there && name != providersDatabase {
				p.warnings = append(p.warnings, fmt.Sprintf(`option "exclude_databases": there is no database %q`, name))
			}
		}
	}
	for _, name := range s.withSubscriptions {
		if slices.Contains(names, name) {
			p.warnings = append(p.warnings, fmt.Sprintf("database %q: its subscriptions are not saved, pg_dump does that for superusers only", name))
		}
	}
	if len(names) == 0 {
		return plan{}, errors.New(`option "exclude_databases": no database is left to back up`)
	}
	for i, name := range names {
		p.dumps = append(p.dumps, dump{path: recordname.Dump(i+1, name), database: name, oid: known[name].oid, small: known[name].small, size: known[name].size})
	}
	return p, nil
}

// selectDatabases lists the names of the databases to dump, and says which could not be
// although nobody excluded them.
func selectDatabases(all []database, excluded []string) (names, skipped []string) {
	for _, d := range all {
		switch {
		case d.name == template0 || slices.Contains(excluded, d.name):
		case d.invalid:
			skipped = append(skipped, fmt.Sprintf("database %q is skipped: an interrupted DROP DATABASE left it invalid", d.name))
		case !d.allowConn:
			skipped = append(skipped, fmt.Sprintf("database %q is skipped: it accepts no connections (ALTER DATABASE ... ALLOW_CONNECTIONS true), nobody can read it", d.name))
		default:
			names = append(names, d.name)
		}
	}
	return names, skipped
}

func (p *plan) names() []string {
	names := make([]string, 0, len(p.dumps))
	for _, d := range p.dumps {
		names = append(names, d.database)
	}
	return names
}

// paths lists each dump once, whether it is one file or a directory.
func (p *plan) paths() []manifest.File {
	files := make([]manifest.File, 0, len(p.dumps))
	for _, d := range p.dumps {
		files = append(files, manifest.File{Path: d.path, Database: d.database})
	}
	return files
}

// files lists the description of the cluster, the globals and the dumps, or their parts.
func (p *plan) files() []manifest.File {
	files := []manifest.File{{Path: recordname.Cluster}}
	if p.globals {
		files = append(files, manifest.File{Path: recordname.Globals})
	}
	for _, d := range p.dumps {
		if len(d.tables) == 0 {
			files = append(files, manifest.File{Path: d.path, Database: d.database})
			continue
		}
		parts := d.files()
		slices.SortFunc(parts, func(a, b file) int { return cmp.Compare(a.path, b.path) })
		for _, part := range parts {
			files = append(files, manifest.File{Path: part.path, Database: d.database})
		}
	}
	return files
}

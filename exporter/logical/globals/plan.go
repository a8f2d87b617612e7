package globals

import (
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Needs are the names of roles and tablespaces.
type Needs struct {
	Roles, Tablespaces map[string]bool
	Encoding           string // of the names; "" if that is not known
}

// NewNeeds returns the Needs of nothing.
func NewNeeds() Needs { return Needs{Roles: map[string]bool{}, Tablespaces: map[string]bool{}} }

// chooser decides which statements apply. It is pure.
type chooser struct {
	restorers []string
	// missing: what is there stays as it is.
	missing bool
	there   Needs // before anything was restored
	// needed: only what is needed; nil for everything.
	needed *Needs
}

// fate is what happens to a statement.
type fate int

const (
	skip fate = iota
	run
	last // when everything has been restored
	// withNext: it is needed by the statements that follow.
	withNext
)

// decide tells what happens to a statement.
func (c *chooser) decide(a sqlscript.Action) fate {
	if a.Verb == sqlscript.Authorization {
		return withNext
	}
	if c.missing && !c.applies(a) {
		return skip
	}
	if a.Class == sqlscript.Role && c.restores(a.Names) {
		switch a.Verb {
		case sqlscript.Alter:
			return skip
		case sqlscript.Configure:
			return last
		}
	}
	return run
}

// restores reports whether one of the names is a role that restores.
func (c *chooser) restores(names []sqlscript.Name) bool {
	return slices.ContainsFunc(names, func(n sqlscript.Name) bool { return n.Is(c.restorers...) })
}

// applies reports whether a statement is about what is missing, and needed.
func (c *chooser) applies(a sqlscript.Action) bool {
	switch a.Class {
	case sqlscript.Role:
		return c.newRoles(a.Names)
	case sqlscript.Membership:
		return c.newRoles(a.Roles) && c.neededRoles(a.Names)
	case sqlscript.Tablespace:
		return all(a.Names, func(name string) bool {
			return !c.there.Tablespaces[name] && (c.needed == nil || c.needed.Tablespaces[name])
		})
	case sqlscript.Parameter:
		return c.needed == nil && c.newRoles(a.Roles)
	default: // what it changes is not known
		return false
	}
}

// newRoles reports whether all of the roles are needed, and were not there.
func (c *chooser) newRoles(names []sqlscript.Name) bool {
	return all(names, func(name string) bool { return !c.there.Roles[name] }) && c.neededRoles(names)
}

func (c *chooser) neededRoles(names []sqlscript.Name) bool {
	return c.needed == nil || all(names, func(name string) bool { return c.needed.Roles[name] })
}

// all reports whether there are names, and is is true of each.
func all(names []sqlscript.Name, is func(string) bool) bool {
	return len(names) > 0 && !slices.ContainsFunc(names, func(n sqlscript.Name) bool { return n.Self || !is(n.Text) })
}

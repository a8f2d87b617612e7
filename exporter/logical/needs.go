package logical

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/globals"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// restoreNeeds restores, of the globals of a snapshot of which only a part is restored,
// what the archive needs.
func (r *restorer) restoreNeeds(ctx context.Context, a *archive) error {
	if r.globals == nil || !r.globalsOnDemand() {
		return nil
	}
	needs, err := needsOf(a.toc, &r.options)
	if err != nil {
		return fmt.Errorf("looking for the roles that the dump needs: %w", err)
	}
	return r.globals.Restore(ctx, r.server, needs)
}

// globalsOnDemand reports whether only such globals are restored that the dumps need.
func (r *restorer) globalsOnDemand() bool {
	return r.options.Globals == options.GlobalsMissing && r.options.Selects()
}

// needsOf returns the roles that the selected entries name as owners, and in grants,
// policies and user mappings, and the tablespaces that they are in.
func needsOf(toc *dumparchive.TOC, o *options.Export) (globals.Needs, error) {
	needs := globals.NewNeeds()
	var statements strings.Builder
	for _, desc := range []string{dumparchive.Encoding, dumparchive.StdStrings} {
		if e := toc.Find(desc); e != nil {
			statements.WriteString(e.Defn + "\n")
		}
	}
	for _, e := range selectedEntries(toc, o) {
		if e.Owner != "" && !o.NoOwner {
			needs.Roles[e.Owner] = true
		}
		if e.Tablespace != "" {
			needs.Tablespaces[e.Tablespace] = true
		}
		switch e.Desc {
		case "ACL", "DEFAULT ACL":
			if !o.NoPrivileges {
				statements.WriteString(e.Defn + "\n")
			}
		case "POLICY", "USER MAPPING", "DATABASE", "DATABASE PROPERTIES":
			statements.WriteString(e.Defn + "\n")
		}
	}
	err := addNamed(&needs, statements.String())
	return needs, err
}

// addNamed adds the roles and tablespaces that statements name.
func addNamed(needs *globals.Needs, statements string) error {
	script, err := sqlscript.Parse(statements)
	if err != nil {
		return err
	}
	needs.Encoding = script.Encoding
	for _, statement := range script.Statements {
		action := statement.Read()
		roles := action.Roles
		if action.Class == sqlscript.Role || action.Class == sqlscript.Membership {
			roles = slices.Concat(roles, action.Names)
		}
		for _, role := range roles {
			needs.Roles[role.Text] = true
		}
		if action.Tablespace != "" {
			needs.Tablespaces[action.Tablespace] = true
		}
	}
	return nil
}

// selectedEntries are the entries that the options name, with what belongs to them.
func selectedEntries(toc *dumparchive.TOC, o *options.Export) []*dumparchive.Entry {
	chosen := make(map[int]bool)
	var entries []*dumparchive.Entry
	for n := range toc.Entries {
		e := &toc.Entries[n]
		belongs := func(id int) bool { return chosen[id] }
		if named(e, o.Schemas, o.Tables) || slices.ContainsFunc(e.Dependencies, belongs) ||
			strings.HasPrefix(e.Desc, "DATABASE") || strings.HasPrefix(e.Tag, "DATABASE ") {
			chosen[e.DumpID] = true
			entries = append(entries, e)
		}
	}
	return entries
}

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
	needs, err := needsOf(a, &r.options)
	if err != nil {
		return fmt.Errorf("looking for the roles that the dump needs: %w", err)
	}
	if len(a.schemas) > 0 {
		if err := r.globals.Restore(ctx, r.server, needsOfSchemas(&r.options, a.schemas)); err != nil {
			return err
		}
	}
	return r.globals.Restore(ctx, r.server, needs)
}

// globalsOnDemand reports whether only such globals are restored that the dumps need.
func (r *restorer) globalsOnDemand() bool {
	return r.options.Globals == options.GlobalsMissing && r.options.Selects()
}

// needsOf returns the roles that the selected entries name as owners, and in grants,
// policies and user mappings, and the tablespaces that they are in.
func needsOf(a *archive, o *options.Export) (globals.Needs, error) {
	needs := globals.NewNeeds()
	var statements strings.Builder
	for _, desc := range []string{dumparchive.Encoding, dumparchive.StdStrings} {
		if e := a.toc.Find(desc); e != nil {
			statements.WriteString(e.Defn + "\n")
		}
	}
	for _, e := range selectedEntries(a) {
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

// selectedEntries are the entries that are restored, and those of the database itself.
func selectedEntries(a *archive) []*dumparchive.Entry {
	var entries []*dumparchive.Entry
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		if a.chosen == nil || a.chosen[e.DumpID] || strings.HasPrefix(e.Desc, "DATABASE") || strings.HasPrefix(e.Tag, "DATABASE ") {
			entries = append(entries, e)
		}
	}
	return entries
}

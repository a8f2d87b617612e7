package logical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// place is a database that archives are to go into, as it is before the restore.
type place struct {
	name   string // in the bytes of the server
	exists bool
	// filled: tables are expected there, which a part of a dump is added to.
	filled bool
}

// selectsObjects reports whether tables or schemas choose a part of each dump.
func (r *restorer) selectsObjects() bool { return len(r.options.Tables)+len(r.options.Schemas) > 0 }

// choose decides which entries of the archives of one database are restored, and which
// schemas are made before them. Nothing has been touched when it fails.
func (r *restorer) choose(ctx context.Context, into place, archives ...*archive) error {
	if !r.selectsObjects() {
		// A dump of everything is restored as it is, whatever the target has.
		if _, complete := selection.Whole(tablesOfContents(archives), target.NewDatabase().Has); complete || r.options.DataOnly {
			return nil
		}
	}
	tocs, err := r.inUTF8(ctx, archives...)
	if err != nil {
		return err
	}
	result, complete, err := r.chooseFrom(ctx, tocs, archives[0].database, into)
	if err != nil || complete {
		return err
	}
	for n, a := range archives {
		a.chosen = make(map[int]bool, len(result.Lists[n]))
		for _, id := range result.Lists[n] {
			a.chosen[id] = true
		}
	}
	if !r.options.DataOnly {
		archives[0].schemas = r.schemasToMake(tocs, archives[0].database, result.MissingSchemas)
	}
	r.describe(archives[0].database, result)
	return nil
}

// chooseFrom chooses what is restored. complete reports that it is everything, as it is.
func (r *restorer) chooseFrom(ctx context.Context, tocs []*dumparchive.TOC, database string, into place) (result *selection.Result, complete bool, err error) {
	objects := target.NewDatabase()
	replaced := !r.selectsObjects() && r.options.Recreates() && !slices.Contains(server.Maintenance, into.name)
	if into.exists && !replaced { // what is there counts
		if objects, err = target.ReadObjects(ctx, r.server, into.name, tocs); err != nil {
			return nil, false, err
		}
	}
	if r.selectsObjects() {
		if result, err = r.chooseNamed(database, tocs, objects, into); err == nil {
			err = r.checkDroppable(ctx, objects, into, result.Existing)
		}
		return result, false, err
	}
	result, complete = selection.Whole(tocs, objects.Has)
	return result, complete, nil
}

func tablesOfContents(archives []*archive) []*dumparchive.TOC {
	tocs := make([]*dumparchive.TOC, len(archives))
	for n, a := range archives {
		tocs[n] = a.toc
	}
	return tocs
}

// inUTF8 returns the tables of contents as target.InUTF8 does, those of one dump.
func (r *restorer) inUTF8(ctx context.Context, archives ...*archive) ([]*dumparchive.TOC, error) {
	tocs, err := target.InUTF8(ctx, r.server, tablesOfContents(archives))
	if err != nil {
		return nil, fmt.Errorf("reading the table of contents of the dump of database %q: %w", archives[0].database, err)
	}
	return tocs, nil
}

// chooseNamed chooses what the options name, and refuses what is not in the archives, or
// is on the target already.
func (r *restorer) chooseNamed(database string, tocs []*dumparchive.TOC, objects *target.Objects, into place) (*selection.Result, error) {
	request := r.request()
	request.Exists, request.Fill, request.MadeBy = objects.Has, r.options.DataOnly || into.filled, r.madeBy(database)
	request.MembersOf = r.membersOf(database)
	result, err := selection.Select(tocs, request)
	if err != nil {
		return nil, fmt.Errorf("option %w", err)
	}
	if err := r.unmatched(result.Unmatched); err != nil {
		return nil, err
	}
	if len(result.Existing) > 0 && !r.options.Clean && !r.options.DataOnly && !into.filled {
		return nil, fmt.Errorf("the database has already what was to be restored: %s: nothing was touched\nhint: clean=true drops it and restores it, data_only=true adds the rows; or rename what is there, or restore into another database with the option database", list(result.Existing))
	}
	if lacking := lackingRows(result, objects); r.options.DataOnly && into.exists && len(lacking) > 0 {
		return nil, fmt.Errorf("data_only=true adds rows to tables that are there, and the database lacks %s: nothing was touched\nhint: without data_only they are restored as a whole", list(lacking))
	}
	if len(result.LeftAlone) > 0 && !slices.ContainsFunc(result.Lists, func(ids []int) bool { return len(ids) > 0 }) {
		return nil, fmt.Errorf("the database has already what was to be restored, made by an extension: %s: nothing was touched\nhint: data_only=true adds the rows", list(result.LeftAlone))
	}
	return result, nil
}

// lackingRows are the chosen tables that are not there.
func lackingRows(result *selection.Result, objects *target.Objects) []selection.Object {
	return slices.DeleteFunc(slices.Clone(result.Chosen), func(o selection.Object) bool { return o.Kind != "TABLE" || objects.Has(o) })
}

// checkDroppable refuses to clean what cannot be dropped: pg_restore would go on, to put what belongs to
// the relation on one that has the rows of today.
func (r *restorer) checkDroppable(ctx context.Context, objects *target.Objects, into place, existing []selection.Object) error {
	if !r.options.Clean || len(existing) == 0 {
		return nil
	}
	dependents, err := objects.Dependents(ctx, r.server, into.name, existing)
	if err == nil && len(dependents) > 0 {
		err = fmt.Errorf("clean=true cannot drop %s, since others depend on it: %s: nothing was touched\nhint: choose them as well, drop them first, or restore into another database with the option database", list(existing), limited(dependents))
	}
	return err
}

// meetsTables reports whether rows of a dump may come into tables that were there. Those that a
// selection chooses are not, but for clean: see chooseNamed.
func (r *restorer) meetsTables(d *target.Database) bool {
	return d.HasTables && (!r.selectsObjects() || r.options.Clean)
}

// request is what the options choose. With both of them, tables without a schema are looked
// for in the schemas.
func (r *restorer) request() selection.Request {
	request := selection.Request{Tables: r.options.Tables, Schemas: r.options.Schemas, Clean: r.options.Clean}
	if len(request.Tables) == 0 || len(request.Schemas) == 0 {
		return request
	}
	request.Tables, request.Schemas = nil, nil
	for _, table := range r.options.Tables {
		request.Tables = append(request.Tables, inSchemas(table, r.options.Schemas)...)
	}
	return request
}

// inSchemas are the patterns of a table in schemas, unless its own names one.
func inSchemas(table string, schemas []string) (patterns []string) {
	if len(schemas) == 0 || selection.Qualified(table) {
		return []string{table}
	}
	for _, schema := range schemas {
		patterns = append(patterns, schema+"."+table)
	}
	return patterns
}

// unmatched refuses what the options name and the archives do not have.
func (r *restorer) unmatched(patterns []string) error {
	var errs []error
	missing := func(option, value string) {
		errs = append(errs, fmt.Errorf("option %q: %q is not in what was to be restored: nothing was touched", option, value))
	}
	tables, schemas := r.options.Tables, r.options.Schemas
	for _, table := range tables {
		if !slices.ContainsFunc(inSchemas(table, schemas), func(pattern string) bool { return !slices.Contains(patterns, pattern) }) {
			missing("tables", table)
		}
	}
	for _, schema := range schemas {
		if len(tables) == 0 && slices.Contains(patterns, schema) {
			missing("schemas", schema)
		}
	}
	return errors.Join(errs...)
}

// schemasToMake describes the schemas that are made before what is in them, as
// 00000-cluster.json has them. Those of an extension come with it.
func (r *restorer) schemasToMake(tocs []*dumparchive.TOC, database string, names []string) (schemas []manifest.ClusterSchema) {
	known := r.schemasOf(database)
	for _, name := range names {
		n := slices.IndexFunc(known, func(s manifest.ClusterSchema) bool { return s.Name == name })
		switch {
		case n < 0:
			schemas = append(schemas, manifest.ClusterSchema{Name: name})
		case known[n].Extension == nil || !hasExtension(tocs, *known[n].Extension):
			schemas = append(schemas, known[n])
		}
	}
	return schemas
}

// schemasOf returns the schemas of a database, as 00000-cluster.json has them.
func (r *restorer) schemasOf(database string) []manifest.ClusterSchema {
	if d := r.described(database); d != nil {
		return d.Schemas
	}
	return nil
}

// madeBy returns which extension made a schema of a database, as selection.Request has it.
func (r *restorer) madeBy(database string) func(schema string) string {
	known := r.schemasOf(database)
	return func(schema string) string {
		n := slices.IndexFunc(known, func(s manifest.ClusterSchema) bool { return s.Name == schema && s.Extension != nil })
		if n < 0 {
			return ""
		}
		return *known[n].Extension
	}
}

// membersOf returns which extensions have an object, as selection.Request has it.
func (r *restorer) membersOf(database string) func(schema, name string) []string {
	extensions := map[[2]string][]string{}
	if d := r.described(database); d != nil {
		for _, m := range d.ExtensionMembers {
			at := [2]string{m.Schema, m.Name}
			extensions[at] = append(extensions[at], m.Extension)
		}
	}
	return func(schema, name string) []string { return extensions[[2]string{schema, name}] }
}

func hasExtension(tocs []*dumparchive.TOC, name string) bool {
	return slices.ContainsFunc(tocs, func(toc *dumparchive.TOC) bool {
		return slices.ContainsFunc(toc.Entries, func(e dumparchive.Entry) bool { return e.Desc == "EXTENSION" && e.Tag == name })
	})
}

// describe says what comes along with what was chosen, and warns of what does not.
func (r *restorer) describe(database string, result *selection.Result) {
	if r.options.DataOnly {
		return
	}
	var along, left []string
	if len(result.Needed) > 0 {
		along = append(along, "needed by it and missing in the target, without rows: "+list(result.Needed))
	}
	if r.selectsObjects() {
		along = append([]string{"chosen " + list(result.Chosen)}, along...)
		slog.Info(fmt.Sprintf("restoring database %q: %s", database, strings.Join(along, "; ")))
	}
	for _, key := range result.ForeignKeys {
		left = append(left, fmt.Sprintf("foreign key %s of %s, whose rows in %s are neither restored nor there", key.Name, key.Table, key.References))
	}
	for _, member := range result.Memberships {
		left = append(left, fmt.Sprintf("%s in publication %s, which is not there", member.Object, member.Publication))
	}
	for _, partition := range result.Detached {
		left = append(left, fmt.Sprintf("%s is a table of its own, as the table that it is a partition of is not there", partition))
	}
	for _, view := range result.Unfilled {
		left = append(left, fmt.Sprintf("%s may be empty, as it is made from tables whose rows were not chosen", view))
	}
	for _, relation := range result.LeftAlone {
		left = append(left, fmt.Sprintf("the rows of %s, which an extension made and the target has (data_only=true adds them)", relation))
	}
	if r.selectsObjects() && result.LargeObjects {
		left = append(left, "large objects, which belong to no table")
	}
	if len(left) > 0 {
		slog.Warn(fmt.Sprintf("restoring database %q: left out: %s", database, limited(left)))
	}
}

// maxNamed is how many objects a message names.
const maxNamed = 30

func list(objects []selection.Object) string {
	var names []string
	for _, o := range objects {
		names = append(names, o.String())
	}
	return limited(names)
}

func limited(texts []string) string {
	if more := len(texts) - maxNamed; more > 0 {
		texts = append(slices.Clone(texts[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

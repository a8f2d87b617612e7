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
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// place is a database that archives are to go into, as it is before the restore.
type place struct {
	name   string // in the bytes of the server
	exists bool
	// filled: tables are expected there, which a part of a dump is added to.
	filled bool
}

// chooser decides what of an archive is restored.
type chooser struct {
	options *options.Export
	server  *server.Server
	cluster description
}

func (r *restorer) chooser() chooser { return chooser{&r.options, r.server, r.cluster} }

// selectsObjects reports whether tables or schemas choose a part of each dump.
func selectsObjects(o *options.Export) bool { return len(o.Tables)+len(o.Schemas) > 0 }

// choose decides which entries of the archives of one database are restored, and which
// schemas are made before them. Nothing has been touched when it fails.
func (c chooser) choose(ctx context.Context, into place, archives ...*archive) error {
	if !selectsObjects(c.options) {
		// A dump of everything is restored as it is, whatever the target has.
		if _, complete := selection.Whole(tablesOfContents(archives), c.wholeRequest(archives[0].database, target.NewDatabase())); complete || c.options.DataOnly {
			return nil
		}
	}
	tocs, err := inUTF8(ctx, c.server, archives...)
	if err != nil {
		return err
	}
	result, complete, err := c.chooseFrom(ctx, tocs, archives[0].database, into)
	if err != nil || complete {
		return err
	}
	for n, a := range archives {
		a.chosen = make(map[int]bool, len(result.Lists[n]))
		for _, id := range result.Lists[n] {
			a.chosen[id] = true
		}
	}
	if !c.options.DataOnly {
		archives[0].schemas = c.cluster.schemasToMake(tocs, archives[0].database, result.MissingSchemas)
	}
	c.describe(archives[0].database, result)
	return nil
}

// chooseFrom chooses what is restored. complete reports that it is everything, as it is.
func (c chooser) chooseFrom(ctx context.Context, tocs []*dumparchive.TOC, database string, into place) (result *selection.Result, complete bool, err error) {
	objects := target.NewDatabase()
	replaced := !selectsObjects(c.options) && c.options.Recreates() && !slices.Contains(server.Maintenance, into.name)
	if into.exists && !replaced { // what is there counts
		if objects, err = target.ReadObjects(ctx, c.server, into.name, tocs); err != nil {
			return nil, false, err
		}
	}
	if selectsObjects(c.options) {
		if result, err = c.chooseNamed(database, tocs, objects, into); err == nil {
			err = c.checkDroppable(ctx, objects, into, result, tocs)
		}
		return result, false, err
	}
	result, complete = selection.Whole(tocs, c.wholeRequest(database, objects))
	return result, complete, nil
}

// wholeRequest is what selection.Whole is to know, beside what the database has.
func (c chooser) wholeRequest(database string, objects *target.Objects) selection.Request {
	return selection.Request{
		Exists: objects.Has, MembersOf: c.cluster.membersOf(database), NoRows: c.options.SchemaOnly,
		Empties: c.options.Clean || c.options.Recreates(),
	}
}

func tablesOfContents(archives []*archive) []*dumparchive.TOC {
	tocs := make([]*dumparchive.TOC, len(archives))
	for n, a := range archives {
		tocs[n] = a.toc
	}
	return tocs
}

// inUTF8 returns the tables of contents as target.InUTF8 does, those of one dump.
func inUTF8(ctx context.Context, s *server.Server, archives ...*archive) ([]*dumparchive.TOC, error) {
	tocs, err := target.InUTF8(ctx, s, tablesOfContents(archives))
	if err != nil {
		return nil, fmt.Errorf("reading the table of contents of the dump of database %q: %w", archives[0].database, err)
	}
	return tocs, nil
}

// chooseNamed chooses what the options name, and refuses what is not in the archives, or
// is on the target already.
func (c chooser) chooseNamed(database string, tocs []*dumparchive.TOC, objects *target.Objects, into place) (*selection.Result, error) {
	if err := checkSchemas(c.options, tocs); err != nil {
		return nil, err
	}
	wanted := request(c.options)
	wanted.Exists, wanted.Fill, wanted.MadeBy = objects.Has, c.options.DataOnly || into.filled, c.cluster.madeBy(database)
	wanted.MembersOf, wanted.NoRows, wanted.Empties = c.cluster.membersOf(database), c.options.SchemaOnly, c.options.Clean
	result, err := selection.Select(tocs, wanted)
	if err != nil {
		return nil, fmt.Errorf("option %w", err)
	}
	if err := refuseUnmatched(c.options, result.Unmatched); err != nil {
		return nil, err
	}
	if len(result.Existing) > 0 && !c.options.Clean && !c.options.DataOnly && !into.filled {
		return nil, fmt.Errorf("the database has already what was to be restored: %s: nothing was touched\nhint: clean=true drops it and restores it, data_only=true adds the rows; or rename what is there, or restore into another database with the option database", list(result.Existing))
	}
	if lacking := lackingRows(result, objects); c.options.DataOnly && into.exists && len(lacking) > 0 {
		return nil, fmt.Errorf("data_only=true adds rows to tables that are there, and the database lacks %s: nothing was touched\nhint: without data_only they are restored as a whole", list(lacking))
	}
	if len(result.LeftAlone) > 0 && !slices.ContainsFunc(result.Lists, func(ids []int) bool { return len(ids) > 0 }) {
		return nil, fmt.Errorf("the database has already what was to be restored, made by an extension: %s: nothing was touched\nhint: data_only=true adds the rows", list(result.LeftAlone))
	}
	return result, nil
}

// checkSchemas refuses schemas that are not in the archives, also where they only say where to look for tables.
func checkSchemas(o *options.Export, tocs []*dumparchive.TOC) error {
	if len(o.Schemas) == 0 || len(o.Tables) == 0 {
		return nil // Select says it
	}
	result, err := selection.Select(tocs, selection.Request{Schemas: o.Schemas})
	if err != nil {
		return fmt.Errorf("option %w", err)
	}
	return refuseUnmatched(o, result.Unmatched)
}

// lackingRows are the chosen tables that are not there.
func lackingRows(result *selection.Result, objects *target.Objects) []selection.Object {
	return slices.DeleteFunc(slices.Clone(result.Chosen), func(o selection.Object) bool { return o.Kind != "TABLE" || objects.Has(o) })
}

// checkDroppable refuses to clean what cannot be dropped: pg_restore would go on, to put what belongs to
// the relation on one that has the rows of today.
func (c chooser) checkDroppable(ctx context.Context, objects *target.Objects, into place, result *selection.Result, tocs []*dumparchive.TOC) error {
	if !c.options.Clean || len(result.Existing) == 0 {
		return nil
	}
	dropped := slices.Clone(result.Existing)
	for n, toc := range tocs {
		for _, id := range result.Lists[n] {
			if e := toc.ByID(id); e != nil && e.DropStmt != "" {
				dropped = append(dropped, selection.Object{Kind: e.Desc, Schema: e.Namespace, Name: e.Tag})
			}
		}
	}
	dependents, err := objects.Dependents(ctx, c.server, into.name, dropped)
	if err == nil && len(dependents) > 0 {
		err = fmt.Errorf("clean=true cannot drop %s, since others depend on it: %s: nothing was touched\nhint: choose them as well, drop them first, or restore into another database with the option database", list(result.Existing), limited(dependents))
	}
	return err
}

// meetsTables reports whether rows of a dump may come into tables that were there. Those that a
// selection chooses are not, but for clean: see chooseNamed.
func meetsTables(o *options.Export, d *target.Database) bool {
	return d.HasTables && (!selectsObjects(o) || o.Clean)
}

// request is what the options choose. With both of them, tables without a schema are looked
// for in the schemas.
func request(o *options.Export) selection.Request {
	request := selection.Request{Tables: o.Tables, Schemas: o.Schemas, Clean: o.Clean}
	if len(request.Tables) == 0 || len(request.Schemas) == 0 {
		return request
	}
	request.Tables, request.Schemas = nil, nil
	for _, table := range o.Tables {
		request.Tables = append(request.Tables, inSchemas(table, o.Schemas)...)
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

// refuseUnmatched refuses what the options name and the archives do not have.
func refuseUnmatched(o *options.Export, patterns []string) error {
	var errs []error
	missing := func(option, value string) {
		errs = append(errs, fmt.Errorf("option %q: %q is not in what was to be restored: nothing was touched", option, value))
	}
	tables, schemas := o.Tables, o.Schemas
	for _, table := range tables {
		if !slices.ContainsFunc(inSchemas(table, schemas), func(pattern string) bool { return !slices.Contains(patterns, pattern) }) {
			missing("tables", table)
		}
	}
	for _, schema := range schemas {
		if slices.Contains(patterns, schema) {
			missing("schemas", schema)
		}
	}
	return errors.Join(errs...)
}

// describe says what comes along with what was chosen, and warns of what does not.
func (c chooser) describe(database string, result *selection.Result) {
	if c.options.DataOnly {
		return
	}
	var along, left []string
	if len(result.Needed) > 0 {
		along = append(along, "needed by it and missing in the target, without rows: "+list(result.Needed))
	}
	if selectsObjects(c.options) {
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
	if selectsObjects(c.options) && result.LargeObjects {
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

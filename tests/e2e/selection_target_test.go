package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// onTarget reports what a database has, for selection.Request.
func onTarget(t *testing.T, s *harness.Server, db string) func(selection.Object) bool {
	t.Helper()
	const relation, kind = "relation", "type"
	rows := s.QueryText(t, db, `SET search_path = '';
		SELECT format('%s/%s/%s', class, schema, name) FROM (
			SELECT 'relation' AS class, n.nspname AS schema, relname::text AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
			UNION ALL SELECT 'type', n.nspname, typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = typnamespace
			UNION ALL SELECT 'FUNCTION', n.nspname, proname || '(' || pg_catalog.oidvectortypes(proargtypes) || ')' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
			UNION ALL SELECT 'COLLATION', n.nspname, collname FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = collnamespace
			UNION ALL SELECT 'TEXT SEARCH CONFIGURATION', n.nspname, cfgname FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n ON n.oid = cfgnamespace
			UNION ALL SELECT 'SCHEMA', '', nspname FROM pg_catalog.pg_namespace
			UNION ALL SELECT 'EXTENSION', '', extname FROM pg_catalog.pg_extension
			UNION ALL SELECT 'PUBLICATION', '', pubname FROM pg_catalog.pg_publication
			UNION ALL SELECT 'ACCESS METHOD', '', amname FROM pg_catalog.pg_am
		) o`)
	found := map[string]bool{}
	for row := range strings.Lines(rows) {
		found[strings.TrimSuffix(row, "\n")] = true
	}
	return func(o selection.Object) bool {
		switch o.Kind {
		case "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE":
			o.Kind = relation
		case "TYPE", "DOMAIN":
			o.Kind = kind
		}
		return found[fmt.Sprintf("%s/%s/%s", o.Kind, o.Schema, o.Name)]
	}
}

// restoreSelected selects for a database as it is, restores, and returns the selection.
func restoreSelected(t *testing.T, s *harness.Server, db string, archives []string, request selection.Request, args ...string) *selection.Result {
	t.Helper()
	var tocs []*dumparchive.TOC
	for _, path := range archives {
		tocs = append(tocs, readArchive(t, path))
	}
	request.Exists = onTarget(t, s, db)
	r, err := selection.Select(tocs, request)
	if err != nil {
		t.Fatal(err)
	}
	if err := restoreList(t, s, db, archives, r, args...); err != nil {
		t.Errorf("%q, %q into %s: %v\n%+v", request.Tables, request.Schemas, db, err, r)
	}
	return r
}

func sameTable(t *testing.T, s *harness.Server, db, pattern string, r *selection.Result) {
	t.Helper()
	if diff := cmp.Diff(description(t, s, "dense", pattern, r), description(t, s, db, pattern, r)); diff != "" {
		t.Errorf("%s: -want +got\n%s\n%+v", pattern, diff, r)
	}
}

// What the target has is left alone and counts.
func TestSelectOnTarget(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_restore of 17 and later sets what older servers do not know, and stops there")
	s := newDense(t)
	path, _ := dumpFile(t, s, "dense")
	archive := []string{path}
	const db = "target"
	s.Exec(t, "postgres", "CREATE DATABASE "+db+" TEMPLATE template0")
	tables := func(names ...string) *selection.Result {
		t.Helper()
		return restoreSelected(t, s, db, archive, selection.Request{Tables: names})
	}

	r := tables("core.sale")
	if len(r.ForeignKeys) != 1 || len(r.Chosen) != 5 {
		t.Errorf("%+v", r)
	}
	sameTable(t, s, db, "core.sale", r)

	// One partition comes back into its table.
	s.Exec(t, db, "DROP TABLE core.sale_2023; ALTER TABLE core.sale DISABLE TRIGGER stamp") // it would stamp the rows
	r = tables("core.sale_2023")
	if len(r.Needed) > 0 || len(r.Existing) > 0 {
		t.Errorf("%+v", r)
	}
	s.Exec(t, db, "ALTER TABLE ONLY core.sale ENABLE TRIGGER stamp")
	sameTable(t, s, db, "core.sale_2023", r)

	// The publication is there, the type is there, and so is not created again.
	s.Exec(t, db, `CREATE PUBLICATION "some of it"`)
	r = tables("customer")
	if slices.ContainsFunc(r.Needed, func(o selection.Object) bool { return o.Name == "state" || o.Name == "live" || o.Name == "core" }) {
		t.Errorf("again: %+v", r)
	}
	if len(r.Memberships) > 0 {
		t.Errorf("a publication of schemas is not one of the table's: %+v", r.Memberships)
	}
	if got := s.QueryText(t, db, `SELECT tablename, rowfilter FROM pg_publication_tables ORDER BY 1`); got != "customer|(id > 5)\nlookup|" {
		t.Errorf("published: %q", got)
	}
	sameTable(t, s, db, "core.customer", r)

	// The foreign key's table is there, with its rows.
	if r = tables("core.sale_note"); len(r.ForeignKeys)+len(r.Needed) > 0 {
		t.Errorf("%+v", r)
	}
	sameTable(t, s, db, "core.sale_note", r)

	// A ring of foreign keys, chosen together with one that leaves it.
	r = tables("core.ring_?", "core.ring_10")
	if len(r.ForeignKeys) != 5 { // back from 0, 1 and 2, next of 10, and of 11, which the view in 10's policy needs
		t.Errorf("%+v", r.ForeignKeys)
	}
	// What is needed is there, so it cannot be chosen any more; what it was needed for can go.
	toc := readArchive(t, path)
	r, err := selection.Select([]*dumparchive.TOC{toc}, selection.Request{Tables: []string{"core.lookup"}, Exists: onTarget(t, s, db)})
	if err != nil || len(r.Existing) != 1 {
		t.Errorf("core.lookup, which word() needed, is not there: %+v, %v", r, err)
	}
	r = restoreSelected(t, s, db, archive, selection.Request{Tables: []string{"core.lookup"}}, "--data-only")
	if rows := s.QueryText(t, db, "SELECT count(*) FROM core.lookup"); rows != "10" || len(r.Existing) != 1 {
		t.Errorf("data only: %s rows: %+v", rows, r)
	}
}

// Schemas alone, in an empty database.
func TestSelectSchemas(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_restore of 17 and later sets what older servers do not know, and stops there")
	s := newDense(t)
	s.Exec(t, "dense", `CREATE TABLE public.p (id int PRIMARY KEY); GRANT ALL ON SCHEMA public TO PUBLIC;
		COMMENT ON SCHEMA public IS 'commented'; CREATE EXTENSION unaccent SCHEMA public;
		REVOKE ALL ON FUNCTION public.unaccent(text) FROM PUBLIC`)
	whole, _ := dumpFile(t, s, "dense")
	ofPublic, _ := dumpFile(t, s, "dense", "--schema=public")
	for n, test := range []struct {
		archive string
		schemas []string
	}{{whole, []string{"core"}}, {whole, []string{"util"}}, {whole, []string{"Odd*", `"Odd schema"`}}, {whole, []string{"PUBLIC"}}, {ofPublic, []string{"public"}}} {
		db := fmt.Sprintf("schema%d", n)
		s.Exec(t, "postgres", "CREATE DATABASE "+db+" TEMPLATE template0")
		r := restoreSelected(t, s, db, []string{test.archive}, selection.Request{Schemas: test.schemas})
		describe := func(from string) string {
			out := clientTool(t, s, from, nil, "pg_dump", "--schema="+test.schemas[len(test.schemas)-1], "--no-comments")
			for _, key := range r.ForeignKeys {
				out = withoutForeignKey(out, key)
			}
			lines := strings.Split(out, "\n")
			slices.Sort(lines) // pg_dump's order is that of creation in places
			return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
				return line == "" || strings.HasPrefix(line, "--") || strings.HasPrefix(line, `\restrict`) || strings.HasPrefix(line, `\unrestrict`)
			}), "\n")
		}
		if diff := cmp.Diff(describe("dense"), describe(db)); diff != "" {
			t.Errorf("%q: -want +got\n%s\n%+v", test.schemas, diff, r)
		}
	}
	comment := s.QueryText(t, "schema3", "SELECT obj_description('public'::regnamespace), has_function_privilege('public', 'public.unaccent(text)', 'EXECUTE')")
	if comment != "commented|f" {
		t.Errorf("public: %q", comment)
	}
}

package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

const extensionsOfDatabase = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension"

// A table of a dump in parts brings along the extensions that it needs, and not others whose
// objects are in the same schema.
func TestExtensionsOfParts(t *testing.T) {
	t.Parallel()
	harness.LowestMajorAnyTools(t, "what the archives lack is the same with all versions")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop")
	s.server.Exec(t, "shop", `CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent;
		CREATE TABLE orders (x int, y int, z int); CREATE STATISTICS s ON x, y FROM orders; ALTER STATISTICS s SET STATISTICS 7;
		CREATE INDEX ON orders ((x + y)); ALTER INDEX orders_expr_idx ALTER COLUMN 1 SET STATISTICS 7; ALTER INDEX orders_expr_idx DEPENDS ON EXTENSION unaccent;
		CREATE TABLE notes (x citext, y text); CREATE INDEX ON notes USING gin (y gin_trgm_ops); CREATE INDEX ON notes ((y::citext)) WHERE x OPERATOR(public.=) 'a';
		CREATE TABLE words (y text); CREATE INDEX ON words USING gin (y gin_trgm_ops); CREATE INDEX ON words ((y::citext));
		CREATE EXTENSION fuzzystrmatch; CREATE TABLE spelt (y text); CREATE INDEX ON spelt (soundex(y));
		INSERT INTO orders VALUES (1, 2, 3); INSERT INTO words VALUES ('a'); INSERT INTO notes VALUES ('a'); INSERT INTO spelt VALUES ('a')`)
	s.plakar.SourceAdd("mypg", s.server.URL("shop"), append(inParts, s.server.BinDirOption())...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	for _, c := range []struct{ table, want string }{
		{"orders", "plpgsql unaccent"}, {"words", "citext pg_trgm plpgsql"}, {"notes", "citext pg_trgm plpgsql"}, {"spelt", "fuzzystrmatch plpgsql"},
	} {
		ok(t, restore("", "database="+c.table, "tables="+c.table))
		query(t, dst, c.table, extensionsOfDatabase, c.want)
		query(t, dst, c.table, "SELECT count(*) FROM "+c.table, "1")
		query(t, dst, c.table, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'", s.server.QueryText(t, "shop", "SELECT count(*) FROM pg_indexes WHERE tablename = '"+c.table+"'"))
	}
	// Without the description of the cluster a function or an operator may be of any of them: too much, never too little.
	directory, _ := parts(t, s.plakar, s.snapshot, "shop")
	ok(t, restore(":"+directory, "database=alone", "tables=notes,spelt"))
	query(t, dst, "alone", "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'", "3")
}

// The rows that an extension has the dump keep are for the extension's own table.
func TestExtensionRows(t *testing.T) {
	t.Parallel()
	harness.LowestMajorAnyTools(t, "what the archives lack is the same with all versions")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop")
	const extension = "CREATE EXTENSION unaccent; CREATE TABLE rules (x int); ALTER EXTENSION unaccent ADD TABLE rules;"
	s.server.Exec(t, "shop", extension+`
		UPDATE pg_extension SET extconfig = ARRAY['rules'::regclass::oid], extcondition = ARRAY[''] WHERE extname = 'unaccent';
		INSERT INTO rules VALUES (1); CREATE TABLE orders (x int); INSERT INTO orders VALUES (2);
		CREATE EXTENSION citext; CREATE SCHEMA ours; CREATE TABLE ours.t (x int)`)
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("shop"), "layout="+layout, s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		dst.Exec(t, "postgres", "CREATE DATABASE there")
		dst.Exec(t, "there", extension+"INSERT INTO rules VALUES (3)")
		result := restore("", "database=there", "schemas=public")
		ok(t, result)
		if !strings.Contains(result.Output(), "the rows of TABLE public.rules") {
			t.Errorf("the restore does not say what it leaves out:\n%s", result.Output())
		}
		query(t, dst, "there", "SELECT (SELECT x FROM rules) + (SELECT x FROM orders)", "5")
		failed(t, restore("", "database=there", "tables=rules"), "TABLE public.rules", "nothing was touched", "data_only=true")
		ok(t, restore("", "database=there", "tables=rules", "data_only=true"))
		query(t, dst, "there", "SELECT string_agg(x::text, ',' ORDER BY x) FROM rules", "1,3")

		// The extension comes along, here of a version without that table.
		failed(t, restore("", "database=new", "tables=rules"), "rules")
		query(t, dst, "new", "SELECT count(*) FROM pg_extension WHERE extname = 'unaccent'", "1")
	}
}

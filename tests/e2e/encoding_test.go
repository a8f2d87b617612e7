package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// westSQL is a database in LATIN1 with names that options give in UTF-8.
const westSQL = `SET client_encoding = 'UTF8'; CREATE ROLE keeper;
	CREATE SCHEMA "außen" AUTHORIZATION keeper; GRANT USAGE ON SCHEMA "außen" TO PUBLIC; COMMENT ON SCHEMA "außen" IS 'öffentlich';
	CREATE TABLE "größe" (x int PRIMARY KEY, "straße" text); INSERT INTO "größe" VALUES (1, 'schön'); CREATE INDEX "füllung" ON "größe" ("straße");
	CREATE TABLE "außen"."maß" (x int REFERENCES "größe"); INSERT INTO "außen"."maß" VALUES (1);
	CREATE FUNCTION "außen"."hülle"(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN x; END';
	CREATE FUNCTION sized(x int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN "hülle"(x) > 0; END';
	SET search_path = public, "außen"; CREATE TABLE checked (x int CHECK (sized(x))); INSERT INTO checked VALUES (1);
	CREATE TABLE plain (x int)`

func newWest(t *testing.T, options ...string) source {
	t.Helper()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE west TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
	s.server.Psql(t, "west", westSQL)
	s.plakar.SourceAdd("mypg", s.server.URL("west"), append(options, s.server.BinDirOption())...)
	return s
}

const (
	inUTF8       = "SET client_encoding = 'UTF8'; "
	ofTheOuter   = inUTF8 + `SELECT nspowner::regrole, has_schema_privilege('public', oid, 'USAGE'), obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = U&'au\00DFen'`
	ownRelations = inUTF8 + `SELECT string_agg(c.oid::regclass::text, ' ' ORDER BY relname COLLATE "C") FROM pg_class c WHERE relkind = 'r' AND relnamespace >= 2200 AND c.oid >= 16384`
)

// Options choose by name from a dump that is in another encoding than they are.
func TestSelectionEncoding(t *testing.T) {
	t.Parallel()
	harness.LowestMajorAnyTools(t, "encodings are the same with all versions")
	for layout, options := range map[string][]string{"single": nil, "tables": inParts} {
		t.Run(layout, func(t *testing.T) {
			s := newWest(t, options...)
			s.snapshot = s.plakar.MustBackup("@mypg")
			dst, restore := s.destination(t)
			ok(t, restore("", "database=one", "tables=größe"))
			query(t, dst, "one", inUTF8+`TABLE U&"gr\00F6\00DFe"`, "1|schön")
			query(t, dst, "one", `SELECT count(*) FROM pg_indexes WHERE indexname = U&'f\00FCllung'`, "1")
			failed(t, restore("", "database=one", "tables=größe"), "has already", "TABLE public.größe", "nothing was touched")
			failed(t, restore("", "database=none", "tables=größer"), `"größer" is not in what`)

			ok(t, restore("", "database=two", "tables=gr??e,maß"))
			query(t, dst, "two", ownRelations, `"größe" "außen"."maß"`)
			query(t, dst, "two", `SELECT count(*) FROM pg_constraint WHERE contype = 'f'`, "1")

			ok(t, restore("", "database=three", "schemas=außen"))
			query(t, dst, "three", ownRelations, `"außen"."maß"`)
			query(t, dst, "three", ofTheOuter, "keeper|t|öffentlich")

			// Into a database that is in another one, too.
			dst.Exec(t, "postgres", "CREATE DATABASE east TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
			dst.Psql(t, "east", inUTF8+`CREATE TABLE "größe" (x int PRIMARY KEY, "straße" text)`)
			failed(t, restore("", "database=east", "tables=größe"), "has already", "TABLE public.größe")
			ok(t, restore("", "database=east", "tables=größe", "data_only=true"))
			ok(t, restore("", "database=east", "tables=maß"))
			query(t, dst, "east", ownRelations, `"größe" "außen"."maß"`)
			query(t, dst, "east", `SELECT count(*) FROM pg_constraint WHERE contype = 'f'`, "1")

			ok(t, restore("", "database=path", "search_path=public,außen"))
			query(t, dst, "path", "SELECT count(*) FROM checked", "1")
		})
	}
}

// Patterns of a backup, which pg_dump reads in the encoding of the database.
func TestBackupSelectionEncoding(t *testing.T) {
	t.Parallel()
	harness.LowestMajorAnyTools(t, "encodings are the same with all versions")
	s := newWest(t)
	dst, restore := s.destination(t)
	for _, c := range []struct {
		options []string
		want    string
	}{
		{[]string{`tables="größe"`}, `"größe"`}, {[]string{"tables=außen.m*"}, `"außen"."maß"`}, {[]string{"schemas=außen"}, `"außen"."maß"`},
		{[]string{"exclude_tables=gr??e,checked"}, `"außen"."maß" plain`}, {[]string{"exclude_schemas=außen", "exclude_tables=checked"}, `"größe" plain`},
	} {
		snapshot, result := s.plakar.Backup("@mypg", flags(c.options)...)
		ok(t, result)
		if strings.Contains(result.Output(), "matches nothing") || strings.Contains(result.Output(), "could not be found out") {
			t.Errorf("%q: %s", c.options, result.Output())
		}
		s.snapshot = snapshot
		ok(t, restore("", "recreate=true"))
		query(t, dst, "west", ownRelations, c.want)
		if strings.HasPrefix(c.options[0], "tables=außen") {
			query(t, dst, "west", ofTheOuter, "keeper|t|öffentlich")
		}
	}
	_, result := s.plakar.Backup("@mypg", "-o", "exclude_table_data=größer")
	ok(t, result)
	if !strings.Contains(result.Output(), `"größer" matches nothing`) && !strings.Contains(result.Output(), `\"größer\" matches nothing`) {
		t.Errorf("nothing is said of a pattern that matches nothing:\n%s", result.Output())
	}
}

package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Functions that name others without a schema find them in the schemas of the option
// search_path, and without it the error says so.
func TestSearchPath(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "it is different from PostgreSQL 17 on")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", `CREATE EXTENSION unaccent; CREATE SCHEMA "Ext ra"; CREATE FUNCTION "Ext ra".other(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
		ALTER DATABASE first SET search_path = public, "Ext ra"`)
	s.server.Exec(t, "first", `CREATE FUNCTION plain(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN unaccent($1); END';
		CREATE FUNCTION checked(text) RETURNS bool IMMUTABLE LANGUAGE sql AS $$SELECT other($1) <> 'no'$$;
		CREATE TABLE generated (x text, y text GENERATED ALWAYS AS (public.plain(x)) STORED);
		CREATE TABLE of_check (x text CHECK (public.checked(x)));
		CREATE TABLE indexed (x text); CREATE INDEX indexed_plain ON indexed (public.plain(x));
		CREATE MATERIALIZED VIEW seen AS SELECT public.plain(x) FROM indexed;
		INSERT INTO generated VALUES ('é'); INSERT INTO of_check VALUES ('é'); INSERT INTO indexed SELECT 'é' FROM generate_series(1, 3000)`)
	byVersion := s.server.Major >= 17
	if !byVersion {
		s.server.Exec(t, "first", "REFRESH MATERIALIZED VIEW seen")
	}
	const option, alter = "the option search_path names schemas", "plain(text) SET search_path"
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=40kB", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		failed(t, restore("", `search_path=public,ext ra`), `option "search_path"`, `"ext ra"`)
		query(t, dst, "postgres", "SELECT count(*) FROM pg_database WHERE datname = 'first'", "0")
		failed(t, restore(""), "a function names function", option, "does not exist")
		query(t, dst, "first", "SELECT (SELECT count(*) FROM generated), (SELECT count(*) FROM of_check)", "0|0")
		failed(t, restore("", "recreate=true", `search_path="Ext ra"`), "search_path=Ext ra does not find it")
		for _, jobs := range []string{"jobs=1", "jobs=2"} {
			r := restore("", "recreate=first", `search_path=public,"Ext ra"`, jobs)
			query(t, dst, "first", "SELECT (SELECT count(*) FROM generated), (SELECT count(*) FROM of_check), (SELECT count(*) FROM indexed)", "1|1|3000")
			if !byVersion {
				ok(t, r)
				harness.CompareDatabase(t, s.server, dst, "first", "first")
				continue
			}
			failed(t, r, alter)
			if strings.Contains(r.Message(), option) {
				t.Errorf("a hint at what does not help:\n%s", r.Output())
			}
		}
		query(t, dst, "first", "SHOW search_path", `public, "Ext ra"`)
	}
}

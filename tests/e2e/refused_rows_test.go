package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Rows that a check refuses as long as other tables are empty are there in the end, and so
// is what was built on them: also where those tables were refused at first themselves.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "pg_restore tells of refused rows alike in all versions")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", `CREATE TABLE z_kinds (kind text PRIMARY KEY, filler text); INSERT INTO z_kinds SELECT g, repeat('x', 100) FROM generate_series(1, 1000) g;
		CREATE FUNCTION is_kind(text) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM public.z_kinds WHERE kind = $1); END';
		CREATE DOMAIN kind AS text CHECK (public.is_kind(VALUE));
		CREATE TABLE a_thing (id int PRIMARY KEY, kind text CHECK (public.is_kind(kind))); INSERT INTO a_thing SELECT g, '7' FROM generate_series(1, 1000) g;
		CREATE TABLE b_typed (id int PRIMARY KEY REFERENCES a_thing, kind kind); INSERT INTO b_typed VALUES (1, '8');
		CREATE TABLE c_child (id int UNIQUE REFERENCES b_typed); INSERT INTO c_child VALUES (1);
		CREATE FUNCTION is_thing(int) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM public.a_thing WHERE id = $1); END';
		CREATE FUNCTION is_typed(int) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM public.b_typed WHERE id = $1); END';
		CREATE FUNCTION is_chained(int) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM public.a_chain WHERE id = $1); END';
		CREATE TABLE a_chain (n int PRIMARY KEY, id int CHECK (public.is_typed(id))); INSERT INTO a_chain SELECT g, 1 FROM generate_series(1, 2000) g;
		CREATE TABLE a_before (id int PRIMARY KEY CHECK (public.is_chained(id))); INSERT INTO a_before VALUES (1);
		CREATE TABLE d_always (id int PRIMARY KEY CHECK (public.is_thing(id))); INSERT INTO d_always VALUES (1);
		CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER nothing BEFORE INSERT ON a_thing FOR EACH ROW EXECUTE FUNCTION nothing();
		CREATE TRIGGER fires BEFORE INSERT ON d_always FOR EACH ROW EXECUTE FUNCTION nothing(); ALTER TABLE d_always ENABLE ALWAYS TRIGGER fires;
		CREATE MATERIALIZED VIEW things AS SELECT count(*) FROM a_thing`)
	const counts = "SELECT (SELECT count(*) FROM a_thing), (SELECT count(*) FROM c_child), (SELECT count(*) FROM a_chain), (SELECT count(*) FROM a_before), (SELECT count(*) FROM d_always)"
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=40kB", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		for _, jobs := range []string{"jobs=1", "jobs=2"} {
			dst, restore := s.destination(t)
			if layout == "single" && jobs == "jobs=1" {
				failed(t, restore("", jobs), "COPY failed", "jobs=2 keeps the dump")
				query(t, dst, "first", "SELECT count(*) FROM a_thing", "0")
				continue
			}
			ok(t, restore("", jobs))
			harness.CompareDatabase(t, s.server, dst, "first", "first")
			query(t, dst, "first", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'", "2")

			dst.Exec(t, "first", "TRUNCATE a_thing, b_typed, c_child, z_kinds, a_chain, a_before, d_always")
			ok(t, restore("", jobs, "data_only=true"))
			query(t, dst, "first", counts, "1000|1|2000|1|1")
			// What stays wrong is an error, and is no row twice.
			failed(t, restore("", jobs, "data_only=true"), "duplicate key")
			query(t, dst, "first", counts, "1000|1|2000|1|1")
		}
	}
}

package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// What is built on the data comes in the order of its dependencies, with several
// connections as with one: views that need a primary key, what is built on these, and
// partitions' indexes. Event triggers come after all statements that they would be for.
func TestPostDataInOrder(t *testing.T) {
	t.Parallel()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", `CREATE TABLE t (x int PRIMARY KEY, name text); INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 1000) g;
		CREATE INDEX by_name ON t (name);
		CREATE MATERIALIZED VIEW a_first AS SELECT x, name, count(*) FROM t GROUP BY x; CREATE UNIQUE INDEX a_first_x ON a_first (x);
		CREATE MATERIALIZED VIEW second AS SELECT name FROM a_first; CREATE INDEX a_second_name ON second (name); ALTER MATERIALIZED VIEW second CLUSTER ON a_second_name;
		CREATE VIEW plain AS SELECT x, name, count(*) FROM t GROUP BY x;
		CREATE TABLE to_t (x int REFERENCES t, y int, UNIQUE (y)); INSERT INTO to_t VALUES (7, 1);
		CREATE TABLE parted (x int, y text) PARTITION BY LIST (x); CREATE TABLE "parted 1" PARTITION OF parted FOR VALUES IN (1);
		ALTER TABLE parted ADD PRIMARY KEY (x); CREATE INDEX parted_y ON parted (y);
		CREATE STATISTICS of_t ON x, name FROM t; ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey;
		CREATE TABLE ranges (r int4range, EXCLUDE USING gist (r WITH &&));
		CREATE TABLE said (tag text); CREATE FUNCTION say() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.said VALUES (tg_tag); END $$;
		CREATE EVENT TRIGGER aaa ON ddl_command_end EXECUTE FUNCTION say(); ALTER EVENT TRIGGER aaa ENABLE ALWAYS; COMMENT ON EVENT TRIGGER aaa IS 'says it'; TRUNCATE said`)
	check := func(dst *harness.Server, r harness.Result) {
		t.Helper()
		ok(t, r)
		harness.CompareDatabase(t, s.server, dst, "first", "first")
		query(t, dst, "first", "SELECT count(*) FROM pg_class WHERE relname IN ('a_first_x', 'a_second_name', 'by_name')", "3")
	}
	s.plakar.SourceAdd("mypg", s.server.URL("first"), s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@mypg", flags(inParts)...)
	for _, jobs := range []string{"jobs=2", "jobs=1", "jobs=8"} {
		dst, restore := s.destination(t)
		check(dst, restore("", jobs))
	}
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	check(dst, restore(""))
	check(dst, restore("", "jobs=2", "clean=true"))
}

package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// shop is a database of two tables that refer to each other, in parts.
const shop = `
	CREATE SCHEMA extra;
	CREATE TABLE t (x int PRIMARY KEY, name text);
	INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 1000) g;
	CREATE TABLE to_t (x int REFERENCES t);
	INSERT INTO to_t VALUES (7);
	CREATE TABLE extra.u (x int PRIMARY KEY);
	INSERT INTO extra.u VALUES (7);
	CREATE SEQUENCE counter; SELECT setval('counter', 5);
	SELECT lo_from_bytea(0, '\x1234');`

// newShop returns a source like newSource's, of the database "first" alone.
func newShop(t *testing.T) source {
	t.Helper()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", shop)
	s.plakar.SourceAdd("mypg", s.server.URL("first"), append(inParts, s.server.BinDirOption())...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	return s
}

// One table, one directory, and what cannot be restored alone.
func TestPartAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dst, restore := s.destination(t)
	const table = ":/00001-first/2-data/public.t.dump"
	failed(t, restore(table), `database "first"`, "public.t.dump", "does not exist", "hint:")
	ok(t, restore(":/00001-first"))
	harness.CompareDatabase(t, s.server, dst, "first", "first")

	dst.Exec(t, "first", "DELETE FROM t WHERE x <> 7")
	failed(t, restore(table), "duplicate key")
	dst.Exec(t, "first", "DROP TABLE to_t; TRUNCATE t")
	failed(t, restore(table, "recreate=true"), "recreate=false")
	ok(t, restore(table))
	query(t, dst, "first", countT, "1000")

	// Into another database, in steps: plakar hands over no more than the file.
	dst.Exec(t, "postgres", "CREATE DATABASE other")
	for _, part := range []string{"/1-pre-data.dump", "/2-data", "/3-post-data.dump"} {
		ok(t, restore(":/00001-first"+part, "database=other", "jobs=2"))
	}
	harness.CompareDatabase(t, s.server, dst, "first", "other")
	failed(t, restore(":/00001-first/2-data", "databases=nosuch"), `"nosuch"`)
}

// The options of a restore mean what they mean for a dump in one file.
func TestLayoutExportOptions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dst, restore := s.destination(t)
	ok(t, restore("", "schema_only=true"))
	query(t, dst, "first", countT, "0")
	ok(t, restore("", "data_only=true"))
	query(t, dst, "first", countT, "1000")
	harness.CompareDatabase(t, s.server, dst, "first", "first")

	// No row is added to a table that is there.
	failed(t, restore(""), "already exists", "the rows are not restored")
	query(t, dst, "first", countT, "1000")
	failed(t, restore("", "clean=true"), "nothing was touched", "recreate=true")
	query(t, dst, "first", countT, "1000")
	query(t, dst, "first", "SELECT count(*) FROM extra.u", "1")

	ok(t, restore("", "database=tables", "tables=t"))
	query(t, dst, "tables", countT, "1000")
	query(t, dst, "tables", hasExtra, "f")
	ok(t, restore("", "database=schemas", "schemas=extra", "jobs=2"))
	query(t, dst, "schemas", "SELECT x FROM extra.u", "7")
	query(t, dst, "schemas", hasTable, "f")
	failed(t, restore("", "database=names", "tables=t,nosuch"), "nosuch")
	failed(t, restore("", "database=stops", "tables=t,nosuch", "exit_on_error=true", "jobs=3"), "nosuch")
}

// Definitions go into a database with tables as those of a dump in one file do: what
// is there is an error, what is not is created.
func TestLayoutSchemaOnlyBeside(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.server.Exec(t, "first", "CREATE INDEX by_name ON t (name)")
	s.plakar.SourceAdd("single", s.server.URL("first"), s.server.BinDirOption())
	const made = `SELECT string_agg(name, ' ' ORDER BY name) FROM (
		SELECT conname::text FROM pg_constraint WHERE contype IN ('p', 'f') UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisprimary) AS all_of(name)
		WHERE name NOT LIKE 'pg\_%'`
	for _, from := range []string{"@mypg", "@single"} {
		s.snapshot = s.plakar.MustBackup(from)
		for _, jobs := range []string{"jobs=1", "jobs=2"} {
			dst, restore := s.destination(t)
			dst.Exec(t, "postgres", "CREATE DATABASE first")
			dst.Exec(t, "first", "CREATE TABLE t (x int, name text)")
			failed(t, restore("", jobs, "schema_only=true"), `relation "t" already exists`)
			query(t, dst, "first", made, "by_name t_pkey to_t_x_fkey u_pkey")
			query(t, dst, "first", "SELECT count(*) FROM extra.u", "0")
		}
	}
}

// clean drops what is there when none of it is a table, and so does recreate for a
// database that is never dropped.
func TestLayoutClean(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := source{server: harness.Start(t, harness.Major(major)), plakar: harness.NewPlakar(t)}
		s.server.Exec(t, "postgres", "CREATE DATABASE first")
		s.server.Exec(t, "first", shop+`
			CREATE TYPE mood AS ENUM ('fine'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT f();
			CREATE VIEW of_t AS SELECT * FROM t; CREATE PUBLICATION everything FOR ALL TABLES`)
		s.plakar.SourceAdd("mypg", s.server.URL("first"), append(inParts, s.server.BinDirOption())...)
		s.snapshot = s.plakar.MustBackup("@mypg")
		dst := harness.Start(t, harness.Major(major))
		s.plakar.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
		ok(t, s.plakar.Restore("@dst", s.snapshot))
		ok(t, s.plakar.Restore("@dst", s.snapshot, "-o", "database=postgres"))
		for _, to := range [][]string{{"clean=true", "database=first"}, {"clean=true", "jobs=2"}, {"recreate=true", "database=postgres"}, {"recreate=true", "database=postgres", "jobs=2"}} {
			target := "first"
			if strings.HasSuffix(to[1], "postgres") {
				target = "postgres"
			}
			dst.Exec(t, target, "DROP TABLE to_t, t, extra.u CASCADE")
			ok(t, s.plakar.Restore("@dst", s.snapshot, flags(to)...))
			harness.CompareDatabase(t, s.server, dst, "first", target)
		}
	})
}

// Parts that are missing in the snapshot are missed.
func TestPartsMissing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for ignored, want := range map[string]string{
		"2-data/public.t.dump": "public.t.dump", "2-data/others.dump": "others.dump",
		"1-pre-data.dump": "1-pre-data.dump", "3-post-data.dump": "3-post-data.dump",
	} {
		dst, _ := s.destination(t)
		s.snapshot = s.plakar.MustBackup("@mypg", "-ignore", "/00001-first/"+ignored)
		eventually(t, "no session left", func() bool {
			return s.server.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'first'") == "0"
		})
		failed(t, s.plakar.Restore("@dst", s.snapshot), "lacks "+want, "first")
		if ignored == "1-pre-data.dump" {
			query(t, dst, "postgres", exists("first"), "0")
			dst.Exec(t, "postgres", "CREATE DATABASE first")
			dst.Exec(t, "first", "CREATE TABLE t (x int, name text)")
			failed(t, s.plakar.Restore("@dst", s.snapshot, "-o", "jobs=2"), "lacks "+want)
			query(t, dst, "first", countT, "0")
		} else if ignored != "2-data/public.t.dump" {
			// Without the manifest, too.
			failed(t, s.plakar.Restore("@dst", s.snapshot+":/00001-first", "-o", "recreate=true"), want+" is missing")
		}
	}
}

// A database failed if a part of it did; what continue_on_error keeps of it is
// restored, and the restore fails.
func TestPartFails(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE saver LOGIN PASSWORD 'saves'; GRANT pg_read_all_data TO saver")
	for _, db := range []string{"good", "bad"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	src.Exec(t, "bad", "CREATE TABLE hidden (x int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("saver", "saves", ""), append(inParts, src.BinDirOption())...)
	_, result := p.Backup("@mypg")
	failed(t, result, `database "bad", table "public"."hidden"`, "row-level security")
	snapshot, result := p.Backup("@mypg", "-o", "continue_on_error=true")
	ok(t, result)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	failed(t, p.Restore("@dst", snapshot), "lacks public.hidden.dump of the dump of", "bad")
	query(t, dst, "good", countT, "1")
	query(t, dst, "bad", countT, "1")

	// A role that may not lock a table is told so once.
	src.Exec(t, "postgres", "REVOKE pg_read_all_data FROM saver")
	_, result = p.Backup("@mypg", "-o", "database=good")
	failed(t, result, `database "good"`, "permission denied for table t")
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}

package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// source is a cluster with two databases that belong to bob, and a snapshot of it.
type source struct {
	server   *harness.Server
	plakar   *harness.Plakar
	snapshot string
}

func newSource(t *testing.T) source {
	t.Helper()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE ROLE bob LOGIN PASSWORD 'bob''s'; CREATE ROLE reader")
	for _, db := range []string{"first", "second"} {
		s.server.Exec(t, "postgres", "CREATE DATABASE "+db+" OWNER bob ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
		s.server.Exec(t, db, `CREATE SCHEMA extra;
			CREATE TABLE t (x int PRIMARY KEY, name text); INSERT INTO t SELECT g, '`+db+`' FROM generate_series(1, 1000) g;
			CREATE TABLE extra.u (x int); INSERT INTO extra.u VALUES (7);
			ALTER TABLE t OWNER TO bob; GRANT SELECT ON t TO reader;`)
	}
	s.plakar.SourceAdd("mypg", s.server.URL(""), s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@mypg")
	return s
}

// destination starts an empty server and returns it with a function that restores
// the snapshot, or a part of it, there.
func (s source) destination(t *testing.T) (*harness.Server, func(part string, options ...string) harness.Result) {
	t.Helper()
	dst := harness.Start(t)
	s.plakar.Run("destination", "rm", "dst")
	s.plakar.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	return dst, func(part string, options ...string) harness.Result {
		return s.plakar.Restore("@dst", s.snapshot+part, flags(options)...)
	}
}

func ok(t *testing.T, r harness.Result) {
	t.Helper()
	if r.ExitCode != 0 {
		t.Fatalf("exit status %d\n%s", r.ExitCode, r.Output())
	}
}

// failed wants exit status 1 and a message with each text.
func failed(t *testing.T, r harness.Result, texts ...string) {
	t.Helper()
	if r.ExitCode != 1 {
		t.Errorf("exit status %d, want 1", r.ExitCode)
	}
	for _, text := range texts {
		if !strings.Contains(r.Message(), text) {
			t.Errorf("the message lacks %q:\n%s", text, r.Output())
		}
	}
}

func query(t *testing.T, s *harness.Server, db, sql, want string) {
	t.Helper()
	if got := strings.TrimSpace(s.QueryText(t, db, sql)); got != want {
		t.Errorf("%s: %s = %q, want %q", db, sql, got, want)
	}
}

const (
	countT   = "SELECT count(*) FROM t"
	ownerT   = "SELECT tableowner FROM pg_tables WHERE tablename = 't'"
	grantT   = "SELECT has_table_privilege('reader', 't', 'SELECT')"
	hasTable = "SELECT to_regclass('t') IS NOT NULL"
	hasExtra = "SELECT to_regclass('extra.u') IS NOT NULL"
)

func exists(db string) string { return "SELECT count(*) FROM pg_database WHERE datname = '" + db + "'" }

// TestExportOptions restores one snapshot in many ways, each into a server of its
// own.
func TestExportOptions(t *testing.T) {
	t.Parallel()
	s := newSource(t)

	t.Run("plain", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore(""))
		harness.CompareClusters(t, s.server, dst)
		// Once more: what is there is reported, and no row is added to a table.
		failed(t, restore(""), `database "first"`, `database "second"`, "already exists")
		query(t, dst, "first", countT, "1000")
	})
	t.Run("recreate", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore("", "recreate=true"))
		dst.Exec(t, "first", "INSERT INTO t VALUES (0); CREATE TABLE later (x int)")
		ok(t, restore("", "recreate=true"))
		harness.CompareClusters(t, s.server, dst)
	})
	t.Run("clean", func(t *testing.T) {
		dst, restore := s.destination(t)
		failed(t, restore("", "clean=true"), `database "first"`, "does not exist", "recreate=true")
		ok(t, restore("", "recreate=true"))
		dst.Exec(t, "first", "INSERT INTO t VALUES (0); CREATE TABLE later (x int)")
		ok(t, restore("", "clean=true"))
		query(t, dst, "first", countT, "1000")
		query(t, dst, "first", "SELECT to_regclass('later') IS NOT NULL", "t")
	})
	t.Run("databases", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore("", "databases=second"))
		query(t, dst, "postgres", exists("first"), "0")
		query(t, dst, "second", countT, "1000")
		failed(t, restore("", "databases=second,third", "recreate=true"), `"databases"`, `"third"`)
	})
	t.Run("no_globals", func(t *testing.T) {
		dst, restore := s.destination(t)
		failed(t, restore("", "databases=first", "no_globals=true"), "bob")
		query(t, dst, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'bob'", "0")
	})
	t.Run("no_owner and no_privileges", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore("", "databases=first", "no_globals=true", "no_owner=true", "no_privileges=true"))
		query(t, dst, "first", ownerT, "postgres")
		ok(t, restore("", "databases=first", "recreate=true"))
		query(t, dst, "first", ownerT, "bob")
		query(t, dst, "first", grantT, "t")
		ok(t, restore("", "databases=first", "recreate=true", "no_owner=true"))
		query(t, dst, "first", ownerT, "postgres")
		ok(t, restore("", "databases=first", "recreate=true", "no_privileges=true"))
		query(t, dst, "first", grantT, "f")
	})
	t.Run("schema_only, then data_only", func(t *testing.T) {
		dst, restore := s.destination(t)
		failed(t, restore("", "databases=first", "data_only=true"), "does not exist")
		ok(t, restore("", "databases=first", "schema_only=true"))
		query(t, dst, "first", countT, "0")
		ok(t, restore("", "databases=first", "data_only=true"))
		query(t, dst, "first", countT, "1000")
	})
	t.Run("schemas and tables", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore("", "databases=first", "tables=t"))
		query(t, dst, "first", countT, "1000")
		query(t, dst, "first", hasExtra, "f")
		dst.Exec(t, "postgres", "DROP DATABASE first")
		dst.Exec(t, "postgres", "CREATE DATABASE first")
		dst.Exec(t, "first", "CREATE SCHEMA extra")
		ok(t, restore("", "databases=first", "schemas=extra"))
		query(t, dst, "first", "SELECT x FROM extra.u", "7")
		query(t, dst, "first", hasTable, "f")
	})
	t.Run("jobs", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore("", "recreate=true", "jobs=3", "spool_dir="+t.TempDir()))
		harness.CompareClusters(t, s.server, dst)
	})
	t.Run("single file", func(t *testing.T) {
		dst, restore := s.destination(t)
		ok(t, restore(":/00000-globals.sql"))
		query(t, dst, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'bob'", "1")
		ok(t, restore(":/00002-postgres.dump"))
		ok(t, restore(":/00001-first.dump"))
		harness.CompareDatabase(t, s.server, dst, "first", "first")
		query(t, dst, "postgres", exists("second"), "0")
		failed(t, restore(":/manifest.json"), "nothing was restored")
	})
}

// TestDatabaseOption restores a dump under another name, and never several dumps
// into one database.
func TestDatabaseOption(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	dst, restore := s.destination(t)
	failed(t, restore("", "database=target"), "several dumps", `"target"`, "nothing was restored", "databases=")
	query(t, dst, "postgres", exists("target"), "0")
	query(t, dst, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'bob'", "0")
	failed(t, restore("", "database=target", "databases=first,second"), `"databases"`)

	ok(t, restore("", "database=target", "databases=first"))
	harness.CompareDatabase(t, s.server, dst, "first", "target")
	query(t, dst, "postgres", exists("first"), "0")
	// Created with the properties of the one that was saved.
	query(t, dst, "postgres", "SELECT pg_encoding_to_char(encoding), datcollate, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'target'", "LATIN1|C|bob")

	ok(t, restore(":/00003-second.dump", "database=target", "recreate=true"))
	harness.CompareDatabase(t, s.server, dst, "second", "target")
	ok(t, restore(":/00001-first.dump", "database=fresh", "jobs=2"))
	harness.CompareDatabase(t, s.server, dst, "first", "fresh")

	// A snapshot with one dump needs no choice; the URI names the target as well.
	s.plakar.DestinationAdd("named", dst.URL("named"), dst.BinDirOption())
	one := s.plakar.MustBackup("@mypg", "-o", "database=second")
	s.plakar.MustRestore("@named", one)
	harness.CompareDatabase(t, s.server, dst, "second", "named")
}

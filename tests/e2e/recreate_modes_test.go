//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A restore in which something fails leaves the old database in its place, and the new one beside it; the
// next one that succeeds drops that.
func TestRecreateIncomplete(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{"single", "tables"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			src, dst, p := harness.Start(t), harness.Start(t), harness.NewPlakar(t)
			src.Exec(t, "postgres", "CREATE DATABASE shop")
			src.Exec(t, "shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1); CREATE TABLE big AS SELECT g, repeat('x', 1000) FROM generate_series(1, 200) g")
			dst.Exec(t, "postgres", "CREATE DATABASE shop")
			dst.Exec(t, "shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (7), (8)")
			p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption(), "layout="+layout, "table_size=64kB")
			p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
			good := p.MustBackup("@mypg")
			// A row that does not fit a check which claims to have been made.
			src.Exec(t, "shop", "ALTER TABLE t ADD CONSTRAINT never CHECK (x > 100) NOT VALID; UPDATE pg_constraint SET convalidated = true WHERE conname = 'never'")
			bad := p.MustBackup("@mypg")
			result := p.Restore("@dst", bad)
			failed(t, result, "shop", "recreate: the old database was left as it is", "to exchange them by hand")
			query(t, dst, "shop", "SELECT sum(x) FROM t", "15")
			query(t, dst, "postgres", marks, "incomplete")
			ok(t, p.Restore("@dst", good))
			query(t, dst, "shop", "SELECT sum(x) FROM t", "1")
			query(t, dst, "postgres", ours, "0")
			// Dropped first, and what was left before stays until a restore has succeeded.
			failed(t, p.Restore("@dst", bad), "to exchange them by hand")
			failed(t, p.Restore("@dst", bad, "-o", "recreate=first"), "never")
			query(t, dst, "postgres", marks, "incomplete")
			query(t, dst, "shop", "SELECT count(*) FROM t", "0")
			dst.Exec(t, "postgres", "DROP DATABASE shop")
			ok(t, p.Restore("@dst", good, "-o", "recreate=false"))
			for _, mode := range []string{"first", "keep"} {
				failed(t, p.Restore("@dst", bad), "to exchange them by hand")
				ok(t, p.Restore("@dst", good, "-o", "recreate="+mode))
			}
			query(t, dst, "postgres", "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') ~ 'plakar'", "1") // of the shop that was dropped by hand
			dst.Exec(t, "postgres", "DROP DATABASE "+pgx.Identifier{dst.QueryText(t, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'plakar%'")}.Sanitize())
			query(t, dst, "postgres", "SELECT count(*) FROM pg_database WHERE datname ~ '^shop_before_[0-9]{8}T[0-9]{6}Z$'", "1")
			query(t, dst, "postgres", ours, "0")
		})
	}
}

// What would keep a database from being replaced is said at once, before anything is touched.
func TestRecreateChecks(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	src, dst, p := harness.Start(t), harness.Start(t, harness.Conf("wal_level = logical", "max_prepared_transactions = 2")), harness.NewPlakar(t)
	src.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(src.Dir(t, "fast"))+"; ")
	src.Exec(t, "postgres", "CREATE ROLE bob; CREATE ROLE reader")
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", "CREATE TABLE t (x int) TABLESPACE fast; ALTER TABLE t OWNER TO bob; GRANT SELECT ON t TO reader")
	dst.Exec(t, "postgres", "CREATE DATABASE shop")
	dst.Exec(t, "shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (7)")
	dst.Exec(t, "shop", "SELECT pg_create_logical_replication_slot('changes', 'test_decoding')")
	conn := dst.Connect(t, "shop")
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO t VALUES (8); PREPARE TRANSACTION 'half'"); err != nil {
		t.Fatal(err)
	}
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true", "no_globals=true")
	snapshot := p.MustBackup("@mypg")
	failed(t, p.Restore("@dst", snapshot), "1 other session", `prepared transactions: "half"`, `logical replication slots`, `"changes"`,
		`role "bob" does not exist`, `role "reader" does not exist`, `tablespace "fast" does not exist`, "left as it is")
	query(t, dst, "postgres", ours, "0")
	if _, err := conn.Exec(t.Context(), "ROLLBACK PREPARED 'half'"); err != nil {
		t.Fatal(err)
	}
	// force ends the session and drops the slot; nothing else is missed by these options.
	ok(t, p.Restore("@dst", snapshot, "-o", "force=true", "-o", "no_owner=true", "-o", "no_privileges=true", "-o", "no_tablespaces=true"))
	query(t, dst, "shop", countT, "0")
	query(t, dst, "postgres", "SELECT count(*) FROM pg_replication_slots", "0")

	// A role that is no superuser.
	dst.Exec(t, "postgres", "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'makes'")
	mine := []string{"-o", "no_owner=true", "-o", "no_privileges=true", "-o", "no_tablespaces=true"}
	p.DestinationAdd("maker", dst.URLFor("maker", "makes", ""), dst.BinDirOption(), "recreate=true", "no_globals=true")
	failed(t, p.Restore("@maker", snapshot, mine...), "may neither rename nor drop")
	dst.Exec(t, "postgres", "ALTER DATABASE shop OWNER TO maker")
	ok(t, p.Restore("@maker", snapshot, mine...))
	query(t, dst, "postgres", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'", "maker")
	query(t, dst, "postgres", ours, "0")
}

// A role that is no superuser restores what belongs to a role that it is a member of.
func TestRestoreAsMember(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session gives the database away, not a tool")
	src, dst, p := harness.Start(t), harness.Start(t), harness.NewPlakar(t)
	src.Exec(t, "postgres", "CREATE ROLE bob")
	src.Exec(t, "postgres", "CREATE DATABASE shop OWNER bob CONNECTION LIMIT 9")
	src.Exec(t, "shop", "SET ROLE bob; CREATE TABLE t (x int); INSERT INTO t VALUES (1); CREATE SCHEMA app; CREATE TABLE app.u (x int)")
	dst.Exec(t, "postgres", "CREATE ROLE bob; CREATE ROLE maker LOGIN CREATEDB PASSWORD 'makes'; GRANT bob TO maker")
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	p.DestinationAdd("dst", dst.URLFor("maker", "makes", ""), dst.BinDirOption(), "no_globals=true", "recreate=true")
	snapshot := p.MustBackup("@mypg")
	for _, mode := range []string{"false", "true", "keep", "first"} {
		ok(t, p.Restore("@dst", snapshot, "-o", "recreate="+mode))
		query(t, dst, "shop", countT, "1")
		query(t, dst, "shop", "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname IN ('public', 'app')", "bob")
		query(t, dst, "postgres", "SELECT pg_get_userbyid(datdba), datconnlimit FROM pg_database WHERE datname = 'shop'", "bob|9")
	}
	query(t, dst, "postgres", ours, "0")
}

// Several databases are replaced at once, and no restore takes another's new database for a leftover.
func TestRecreateSeveral(t *testing.T) {
	t.Parallel()
	server, p := harness.Start(t), harness.NewPlakar(t)
	databases := []string{"a", "b", "c", "d", "e", `with "quotes"`, strings.Repeat("ü", 31)}
	for _, name := range databases {
		server.Exec(t, "postgres", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
		server.Exec(t, name, "CREATE TABLE t AS SELECT g AS x FROM generate_series(1, 20) g")
	}
	p.SourceAdd("mypg", server.URL(""), server.BinDirOption())
	p.DestinationAdd("dst", server.URL(""), server.BinDirOption(), "recreate=true", "no_globals=true", "jobs=3")
	snapshot := p.MustBackup("@mypg")
	for _, name := range databases {
		server.Exec(t, name, "DROP TABLE t")
	}
	for range 2 {
		ok(t, p.Restore("@dst", snapshot))
		for _, name := range databases {
			query(t, server, name, countT, "20")
		}
		query(t, server, "postgres", ours, "0")
	}
}

// A table access method that the dump creates is not missed: only the database that is replaced has it.
func TestRecreateAccessMethod(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the table of contents has it with every version")
	r := newReplaced(t)
	r.server.Exec(t, "shop", "CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE piled USING pile AS SELECT 1 AS x")
	ok(t, r.plakar.Restore("@dst", r.plakar.MustBackup("@mypg")))
	query(t, r.server, "shop", "SELECT amname FROM pg_am a JOIN pg_class c ON c.relam = a.oid WHERE relname = 'piled'", "pile")
}

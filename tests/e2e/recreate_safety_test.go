package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A database is dropped only when its successor is there.
func TestRecreateCannotCreate(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(src.Dir(t, "fast")))
	src.Exec(t, "postgres", "CREATE DATABASE shop TABLESPACE fast")
	src.Exec(t, "shop", "CREATE TABLE t (x int)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	dst := harness.Start(t)
	dst.Exec(t, "postgres", "CREATE DATABASE shop")
	dst.Exec(t, "shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true", "no_globals=true")
	failed(t, p.Restore("@dst", snapshot), `database "shop"`, `tablespace "fast" does not exist`, "left as it is")
	query(t, dst, "shop", countT, "1")

	// A dump that is cut off is found out before anything is dropped.
	dir := t.TempDir()
	write(t, filepath.Join(dir, "00001-shop.dump"), string(p.Cat(snapshot, "/00001-shop.dump")[:400]))
	failed(t, p.Restore("@dst", p.MustBackup(dir)+":"+dir), `database "shop"`)
	query(t, dst, "shop", countT, "1")

	// A template that is in use stays one.
	dst.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(dst.Dir(t, "fast")))
	dst.Exec(t, "postgres", "ALTER DATABASE shop IS_TEMPLATE true")
	dst.Connect(t, "shop")
	failed(t, p.Restore("@dst", snapshot), "being accessed by other users")
	query(t, dst, "postgres", "SELECT datistemplate FROM pg_database WHERE datname = 'shop'", "t")
	query(t, dst, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'plakar_restore_%'", "0")
	ok(t, p.Restore("@dst", snapshot, "-o", "force=true"))
	query(t, dst, "shop", countT, "0")
}

// What fails beside the rows does not keep them away, and all that a database is
// goes along to another name.
func TestPropertiesUnderAnotherName(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.server.Exec(t, "first", "ALTER DATABASE first SET work_mem = '7MB'; ALTER ROLE bob IN DATABASE first SET work_mem = '8MB'")
	s.server.Exec(t, "first", "COMMENT ON DATABASE first IS 'it''s; first'; REVOKE CONNECT ON DATABASE first FROM PUBLIC; ALTER DATABASE first CONNECTION LIMIT 9")
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	failed(t, restore("", "no_globals=true", "database=other name", "databases=first"), `role "bob" does not exist`)
	query(t, dst, "other name", countT, "1000")

	dst, restore = s.destination(t)
	ok(t, restore("", "database=other name", "databases=first"))
	query(t, dst, "postgres", `SELECT datconnlimit, shobj_description(oid, 'pg_database'), has_database_privilege('reader', oid, 'CONNECT'), pg_get_userbyid(datdba)
		FROM pg_database WHERE datname = 'other name'`, "9|it's; first|f|bob")
	query(t, dst, "postgres", `SELECT string_agg(setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
		WHERE datname = 'other name'`, "{work_mem=7MB} {work_mem=8MB}")
}

// The password of a role that acts as another one survives as well.
func TestRoleThatActsAsAnother(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE deploy LOGIN SUPERUSER PASSWORD 'the source''s'")
	dst.Exec(t, "postgres", "CREATE ROLE dba SUPERUSER; CREATE ROLE deploy LOGIN SUPERUSER PASSWORD 'mine'; ALTER ROLE deploy SET role = dba")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URLFor("deploy", "mine", ""), dst.BinDirOption(), "recreate=true")
	ok(t, p.Restore("@dst", p.MustBackup("@mypg")))
	p.MustRun("destination", "ping", "dst")
}

// Parts of a snapshot that are damaged, missing, or there twice.
func TestIncompleteSnapshot(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	dst, restore := s.destination(t)
	failed(t, restore("", "databases=first", "tables=t,nosuch"), `database "first"`, "nosuch")
	failed(t, s.plakar.Restore("@dst", s.plakar.MustBackup("@mypg", "-ignore", "00000-globals.sql")), "lacks the globals")

	dir := t.TempDir()
	globals := string(s.plakar.Cat(s.snapshot, "/00000-globals.sql"))
	write(t, filepath.Join(dir, "00000-globals.sql"), globals[:strings.Index(globals, "CREATE ROLE reader")+8])
	failed(t, s.plakar.Restore("@dst", s.plakar.MustBackup(dir)+":"+dir), "globals", "their end is missing")

	dump := string(s.plakar.Cat(s.snapshot, "/00003-second.dump"))
	dir = t.TempDir()
	for _, day := range []string{"monday", "tuesday"} {
		write(t, filepath.Join(dir, day, "00001-second.dump"), dump)
	}
	twice := s.plakar.MustBackup(dir) + ":" + dir
	failed(t, s.plakar.Restore("@dst", twice, "-o", "database=target", "-o", "no_owner=true", "-o", "no_privileges=true"), "both dumps", `"second"`)
	query(t, dst, "target", countT, "1000")
}

// jobs reaches pg_restore for a dump that is large enough, also when the dump had to
// wait until it was certain to be the only one.
func TestJobsReachPgRestore(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE big")
	src.Exec(t, "big", "CREATE TABLE t AS SELECT g AS x, repeat(md5(g::text), 8) AS text FROM generate_series(1, 80000) g; ALTER TABLE t ADD PRIMARY KEY (x)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("big"), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	bin := t.TempDir()
	for _, tool := range []string{"pg_dump", "pg_dumpall"} {
		if err := os.Symlink(src.ClientTool(tool), filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(bin, "log")
	// Wrappers find what they wrap with the help of the environment.
	script := "#!/bin/sh\necho \"$@\" >>" + log + "\nexec \"$HOME/pg_restore\" \"$@\"\n"
	if err := os.Symlink(src.ClientTool("pg_restore"), filepath.Join(p.Home, "pg_restore")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "pg_restore"), []byte(script), 0o755); err != nil { //nolint:gosec // has to be executable
		t.Fatal(err)
	}
	p.DestinationAdd("dst", src.URL(""), "pg_bin_dir="+bin, "jobs=3", "recreate=true")
	for _, database := range []string{"", "copy"} {
		write(t, log, "")
		ok(t, p.Restore("@dst", snapshot, "-o", "database="+database))
		if argv := read(t, log); !strings.Contains(argv, "--jobs=3") {
			t.Errorf("database=%s: no --jobs=3 in\n%s", database, argv)
		}
	}
	harness.CompareDatabase(t, src, src, "big", "copy")
}

// A cluster whose databases store names in LATIN1.
func TestLatin1Cluster(t *testing.T) {
	t.Parallel()
	args := harness.InitdbArgs("--encoding=LATIN1", "--locale=C")
	src, dst := harness.Start(t, args), harness.Start(t, args)
	src.Psql(t, "postgres", "SET client_encoding = 'UTF8';\nCREATE DATABASE \"é\"; CREATE ROLE \"ü\" LOGIN;")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
	snapshot := p.MustBackup("@mypg")
	validate(t, p.Cat(snapshot, "/manifest.json"))
	for range 2 {
		ok(t, p.Restore("@dst", snapshot))
	}
	const names = "SELECT string_agg(datname::text, ',' ORDER BY datname) FROM pg_database"
	query(t, dst, "postgres", names, strings.TrimSpace(src.QueryText(t, "postgres", names)))
}

// What pg_dump leaves out with a warning is not left out in silence.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE saver LOGIN PASSWORD 'saves'; GRANT pg_read_all_data TO saver")
	src.Exec(t, "postgres", "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("saver", "saves", "postgres"), src.BinDirOption())
	snapshot, result := p.Backup("@mypg")
	ok(t, result)
	document := validate(t, p.Cat(snapshot, "/manifest.json"))
	warned := false
	for _, w := range document.Warnings {
		warned = warned || strings.Contains(w.Message, "subscriptions")
	}
	if !warned || !strings.Contains(result.Output(), "subscriptions") {
		t.Errorf("no warning: %+v\n%s", document.Warnings, result.Output())
	}
}

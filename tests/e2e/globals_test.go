package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// loginsAs checks that the role can log in with the password.
func loginsAs(t *testing.T, p *harness.Plakar, s *harness.Server, role, password string, want bool) {
	t.Helper()
	name := "as-" + role + "-" + password
	p.DestinationAdd(name, s.URLFor(role, password, ""), s.BinDirOption())
	if result := p.Run("destination", "ping", name); (result.ExitCode == 0) != want {
		t.Errorf("%s with password %q: exit status %d, want success %t", role, password, result.ExitCode, want)
	}
	p.MustRun("destination", "rm", name)
}

// TestGlobalsOption restores a whole snapshot and a part of it beside roles that are there.
func TestGlobalsOption(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", `CREATE ROLE app LOGIN PASSWORD 'saved'; CREATE ROLE reader LOGIN PASSWORD 'saved';
		CREATE ROLE boss SUPERUSER LOGIN BYPASSRLS PASSWORD 'saved'; CREATE ROLE judge; CREATE ROLE mapped; CREATE ROLE other LOGIN;
		GRANT reader TO judge; GRANT other TO judge; GRANT judge TO app; COMMENT ON ROLE judge IS 'it''s judged'`)
	src.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(src.Dir(t, "fast")))
	src.Exec(t, "postgres", "CREATE TABLESPACE slow LOCATION "+harness.Literal(src.Dir(t, "slow")))
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "postgres", "CREATE DATABASE misc")
	src.Exec(t, "misc", "CREATE TABLE m (x int); ALTER TABLE m OWNER TO other")
	src.Exec(t, "shop", `CREATE TABLE t (x int) TABLESPACE fast; INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO reader;
		CREATE TABLE s (x int); ALTER TABLE s OWNER TO boss; ALTER TABLE s ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON s TO judge USING (true);
		CREATE FOREIGN DATA WRAPPER w; CREATE SERVER f FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR mapped SERVER f`)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshots := map[string]string{"single": p.MustBackup("@mypg"), "tables": p.MustBackup("@mypg", "-o", "layout=tables", "-o", "table_size=1B")}
	src.Stop(harness.Fast)
	for _, dir := range []string{"fast", "slow"} {
		if err := os.RemoveAll(filepath.Join(filepath.Dir(src.Dir(t, "other")), dir)); err != nil {
			t.Fatal(err)
		}
	}

	const there = "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname IN ('app', 'reader', 'boss', 'judge', 'mapped', 'other')"
	const members = "SELECT string_agg(roleid::regrole || '>' || member::regrole, ',' ORDER BY roleid::regrole::text, member::regrole::text) FROM pg_auth_members WHERE member >= 16384"
	target := func(t *testing.T) *harness.Server {
		dst := harness.Start(t)
		dst.Exec(t, "postgres", "CREATE ROLE app LOGIN PASSWORD 'own'; COMMENT ON ROLE app IS 'own'")
		p.DestinationAdd("dst-"+filepath.Base(t.Name()), dst.URL(""), dst.BinDirOption())
		return dst
	}
	restore := func(t *testing.T, snapshot string, options ...string) harness.Result {
		var flags []string
		for _, option := range options {
			flags = append(flags, "-o", option)
		}
		return p.Restore("@dst-"+filepath.Base(t.Name()), snapshot, flags...)
	}
	for layout, snapshot := range snapshots {
		t.Run("databases "+layout, func(t *testing.T) {
			dst := target(t)
			result := restore(t, snapshot, "databases=shop")
			// The directory of the one tablespace that is needed is not there any more.
			failed(t, result, "fast", "58P01", `"boss" was created without SUPERUSER, BYPASSRLS`)
			if strings.Contains(result.Output(), "TABLESPACE slow") || strings.Contains(result.Output(), "does not exist (SQLSTATE 42704") {
				t.Errorf("what is not needed was tried:\n%s", result.Output())
			}
			query(t, dst, "postgres", there, "app,boss,judge,mapped,reader")
			query(t, dst, "postgres", members, "reader>judge")
			query(t, dst, "postgres", "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'boss'", "f|f")
			query(t, dst, "postgres", "SELECT shobj_description('judge'::regrole, 'pg_authid'), shobj_description('app'::regrole, 'pg_authid')", "it's judged|own")
			query(t, dst, "shop", countT, "1")
			query(t, dst, "shop", "SELECT count(*) FROM pg_policies WHERE roles = '{judge}'", "1")
			loginsAs(t, p, dst, "app", "own", true)
			loginsAs(t, p, dst, "reader", "saved", true)
		})
	}
	t.Run("missing", func(t *testing.T) {
		dst := target(t)
		failed(t, restore(t, snapshots["single"], "globals=missing"), "fast", "slow")
		query(t, dst, "postgres", there, "app,boss,judge,mapped,other,reader")
		query(t, dst, "postgres", members, "other>judge,reader>judge")
		query(t, dst, "postgres", "SELECT rolsuper FROM pg_roles WHERE rolname = 'boss'", "t")
		loginsAs(t, p, dst, "app", "own", true)
	})
	t.Run("all of a part", func(t *testing.T) {
		dst := target(t)
		failed(t, restore(t, snapshots["single"], "databases=shop", "globals=all"), "fast", "slow")
		query(t, dst, "postgres", there, "app,boss,judge,mapped,other,reader")
		query(t, dst, "postgres", members, "judge>app,other>judge,reader>judge")
		loginsAs(t, p, dst, "app", "saved", true)
		query(t, dst, "postgres", exists("misc"), "0")
	})
	t.Run("none", func(t *testing.T) {
		dst := target(t)
		failed(t, restore(t, snapshots["single"], "databases=shop", "globals=none"), `role "reader" does not exist`)
		query(t, dst, "postgres", there, "app")
		failed(t, restore(t, snapshots["single"], "globals=all", "no_globals=true"), `"globals"`, `"no_globals"`)
		failed(t, restore(t, snapshots["single"], "globals=missing", "data_only=true"), `"globals"`, `"data_only"`)
		failed(t, restore(t, snapshots["single"], "globals=some"), `"globals"`, "all", "missing", "none")
	})
}

// fromFiles restores the files, as if they were of a snapshot.
func fromFiles(t *testing.T, p *harness.Plakar, to string, files map[string]string, flags ...string) harness.Result {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return p.Restore(to, p.MustBackup(dir)+":"+dir, flags...)
}

// However a script names the role that restores, its password and attributes stay.
func TestRestoringRoleOnEveryWay(t *testing.T) {
	t.Parallel()
	const restorer, group = `Ad"min é`, "crew"
	dst := harness.Start(t)
	dst.Exec(t, "postgres", "CREATE ROLE "+harness.Ident(restorer)+" SUPERUSER LOGIN PASSWORD 'mine'")
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE "+harness.Ident(restorer)+" LOGIN PASSWORD 'theirs'; CREATE ROLE crew; GRANT crew TO "+harness.Ident(restorer))
	src.Exec(t, "postgres", "ALTER ROLE "+harness.Ident(restorer)+" SET default_transaction_read_only TO on; ALTER ROLE "+harness.Ident(restorer)+" SET work_mem TO '7MB'")
	src.Exec(t, "postgres", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("postgres"), src.BinDirOption())
	p.DestinationAdd("dst", dst.URLFor(restorer, "mine", ""), dst.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	hostile := strings.Replace(string(p.Cat(snapshot, "/00000-globals.sql")), "\nCREATE ROLE crew", `
ALTER USER "Ad""min é" WITH NOSUPERUSER PASSWORD 'x';
alter group U&"Ad""min \00E9" nologin;
ALTER ROLE U&"Ad""min !+0000e9" UESCAPE '!' PASSWORD 'x';
ALTER ROLE /* ; */ CURRENT_USER -- '
 PASSWORD 'x';
ALTER ROLE session_user CONNECTION LIMIT 0;
ALTER USER "Ad""min é" VALID UNTIL '2000-01-01';
ALTER ROLE "Ad""min é" RENAME TO gone;
CREATE ROLE crew`, 1)
	ok(t, fromFiles(t, p, "@dst", map[string]string{"00000-globals.sql": hostile, "00001-postgres.dump": string(p.Cat(snapshot, "/00001-postgres.dump"))}))
	loginsAs(t, p, dst, restorer, "mine", true)
	name := harness.Literal(restorer)
	query(t, dst, "postgres", "SELECT rolsuper, rolcanlogin, rolconnlimit, rolvaliduntil IS NULL, rolconfig FROM pg_roles WHERE rolname = "+name,
		"t|t|-1|t|{default_transaction_read_only=on,work_mem=7MB}")
	query(t, dst, "postgres", "SELECT pg_has_role("+name+", 'crew', 'MEMBER') FROM pg_auth_members WHERE roleid = 'crew'::regrole", "t")
	query(t, dst, "postgres", countT, "1")
}

// What the scripts write under standard_conforming_strings = off, or in another encoding,
// means here what it meant there.
func TestScriptsOfAnotherKind(t *testing.T) {
	t.Parallel()
	const name = `a'b\c`
	const comments = `SELECT shobj_description(r.oid, 'pg_authid'), rolconfig FROM pg_roles r WHERE rolname = 'a''b\c'`
	const ofDatabase = `SELECT shobj_description(d.oid, 'pg_database'), setconfig FROM pg_database d JOIN pg_db_role_setting ON setdatabase = d.oid WHERE datname = 'a''b\c'`
	src, dst := harness.Start(t, harness.Conf("standard_conforming_strings = off")), harness.Start(t)
	for _, sql := range []string{"CREATE DATABASE " + harness.Ident(name), "CREATE ROLE " + harness.Ident(name)} {
		src.Exec(t, "postgres", sql)
	}
	for _, kind := range []string{"ROLE ", "DATABASE "} {
		src.Exec(t, "postgres", "COMMENT ON "+kind+harness.Ident(name)+` IS E'it''s \\ one\\\n;'`)
		src.Exec(t, "postgres", "ALTER "+kind+harness.Ident(name)+` SET application_name TO E'\\''; x'`)
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	ok(t, p.Restore("@dst", p.MustBackup("@mypg")))
	for _, sql := range []string{comments, ofDatabase} {
		if got, want := dst.QueryText(t, "postgres", sql), src.QueryText(t, "postgres", strings.ReplaceAll(sql, `\`, `\\`)); got != want || want == "" {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}

	latin := harness.Start(t, harness.InitdbArgs("--encoding=LATIN1", "--locale=C"))
	latin.Psql(t, "postgres", "SET client_encoding = 'UTF8';\nCREATE DATABASE \"é\"; CREATE ROLE \"ü\" LOGIN; COMMENT ON DATABASE \"é\" IS 'ö'; ALTER DATABASE \"é\" OWNER TO \"ü\";")
	p.SourceAdd("latin", latin.URL(""), latin.BinDirOption())
	snapshot := p.MustBackup("@latin")
	for _, flags := range [][]string{{"-o", "databases=postgres"}, nil, {"-o", "recreate=true"}} {
		ok(t, p.Restore("@dst", snapshot, flags...))
	}
	query(t, dst, "postgres", "SELECT datname, shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'é'", "é|ö|ü")
}

// No restore touches template0, whatever a snapshot holds.
func TestRestoreLeavesTemplate0(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
	files := map[string]string{
		"00000-globals.sql": string(p.Cat(snapshot, "/00000-globals.sql")),
		"00001-shop.dump":   string(p.Cat(snapshot, "/00001-shop.dump")), "00002-template0.dump": string(p.Cat(snapshot, "/00001-shop.dump")),
	}
	dst.Exec(t, "postgres", "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
	const state = "SELECT oid, datallowconn, datistemplate, datconnlimit FROM pg_database WHERE datname = 'template0'"
	before := strings.TrimSpace(dst.QueryText(t, "postgres", state))
	result := fromFiles(t, p, "@dst", files)
	ok(t, result)
	if !strings.Contains(result.Output(), "template0") {
		t.Errorf("no warning:\n%s", result.Output())
	}
	query(t, dst, "shop", countT, "1")
	failed(t, fromFiles(t, p, "@dst", files, "-o", "databases=template0"), "template0")
	failed(t, p.Restore("@dst", snapshot, "-o", "database=template0"), "template0")
	query(t, dst, "postgres", state, before)
	query(t, dst, "template0", "SELECT count(*) FROM pg_class WHERE relname = 't'", "0")
	ok(t, fromFiles(t, p, "@dst", files, "-o", "databases=template0", "-o", "database=copy"))
	query(t, dst, "copy", countT, "1")
}

// Without its last file nobody knows whether a snapshot is complete.
func TestManifestMissing(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.snapshot = s.plakar.MustBackup("@mypg", "-ignore", "manifest.json")
	dst, restore := s.destination(t)
	failed(t, restore(""), "manifest.json did not arrive", "hint:")
	query(t, dst, "first", countT, "1000")
	failed(t, restore("", "databases=first", "recreate=true"), "manifest.json did not arrive")
	ok(t, restore(":/00001-first.dump", "recreate=true"))
	ok(t, restore(":/00000-globals.sql"))
	// One file in the whole snapshot is no path that was asked for.
	s.snapshot = s.plakar.MustBackup("@mypg", "-ignore", "manifest.json", "-ignore", "*.dump")
	_, restore = s.destination(t)
	failed(t, restore(""), "manifest.json did not arrive")
}

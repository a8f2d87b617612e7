package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A role that may not read one table: the backup fails, names the databases and
// leaves no snapshot. With continue_on_error it is kept, with the failure in it,
// and a restore of it fails for what it lacks.
func TestUnreadableTable(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE saver LOGIN PASSWORD 'saves'; GRANT pg_read_all_data TO saver")
	for _, db := range []string{"good", "bad", "worse"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	// Row-level security is what keeps a table from pg_read_all_data.
	for _, db := range []string{"bad", "worse"} {
		src.Exec(t, db, "CREATE TABLE hidden (x int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("saver", "saves", ""), src.BinDirOption())

	_, result := p.Backup("@mypg")
	failed(t, result, `database "bad"`, `database "worse"`, "pg_dump", "row-level security", "hidden")
	if strings.Contains(result.Output(), `database "good"`) {
		t.Errorf("a database that was dumped is named as failed:\n%s", result.Output())
	}
	if snapshots := p.Snapshots(); len(snapshots) != 0 {
		t.Errorf("there is a snapshot: %q", snapshots)
	}

	snapshot, result := p.Backup("@mypg", "-o", "continue_on_error=true")
	if result.ExitCode != 0 || snapshot == "" {
		t.Fatalf("continue_on_error: exit status %d\n%s", result.ExitCode, result.Output())
	}
	if recorded := p.MustRun("info", "-errors", snapshot).Output(); !strings.Contains(recorded, "-bad.dump") || !strings.Contains(recorded, "hidden") {
		t.Errorf("the failure is not recorded in the snapshot:\n%s", recorded)
	}
	var paths []string
	for _, path := range p.Ls(snapshot) {
		paths = append(paths, strings.TrimLeft(path, "/0123456789-"))
	}
	if slices.Contains(paths, "bad.dump") || !slices.Contains(paths, "good.dump") {
		t.Errorf("the snapshot holds %q", paths)
	}
	dst := harness.Start(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	failed(t, p.Restore("@dst", snapshot), `"bad"`, `"worse"`, "lacks")
	query(t, dst, "good", countT, "1")
	ok(t, p.Restore("@dst", snapshot, "-o", "databases=good,postgres", "-o", "recreate=true"))
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// continue_on_error does not make a success of a backup that saved nothing.
func TestNothingSaved(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE bad")
	src.Exec(t, "postgres", "CREATE ROLE saver LOGIN PASSWORD 'saves'")
	src.Exec(t, "bad", "CREATE TABLE t (x int)")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("saver", "saves", "bad"), src.BinDirOption())
	_, result := p.Backup("@mypg", "-o", "continue_on_error=true")
	failed(t, result, `database "bad"`, "permission denied")
	if snapshots := p.Snapshots(); len(snapshots) != 0 {
		t.Errorf("there is a snapshot: %q", snapshots)
	}
}

// A role without the right to read pg_authid, as on a managed service, and who may
// not connect to postgres, saves the database that is named.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE app LOGIN PASSWORD 'app-password'")
	src.Exec(t, "postgres", "CREATE DATABASE app OWNER app")
	src.Exec(t, "app", "CREATE TABLE t (x int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app")
	for _, db := range []string{"postgres", "template1"} {
		src.Exec(t, "postgres", "REVOKE CONNECT ON DATABASE "+db+" FROM PUBLIC")
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("app", "app-password", "app"), src.BinDirOption())
	p.MustRun("source", "ping", "mypg")
	snapshot, result := p.Backup("@mypg")
	ok(t, result)
	if !strings.Contains(result.Output(), "without their passwords") {
		t.Errorf("no warning about the passwords:\n%s", result.Output())
	}
	globals := string(p.Cat(snapshot, "/00000-globals.sql"))
	if !strings.Contains(globals, "CREATE ROLE app") || strings.Contains(globals, "PASSWORD") {
		t.Errorf("globals:\n%s", globals)
	}
	document := validate(t, p.Cat(snapshot, "/manifest.json"))
	if !slices.ContainsFunc(document.Warnings, func(w warning) bool { return strings.Contains(w.Message, "pg_authid") }) {
		t.Errorf("the manifest does not warn about the passwords: %+v", document.Warnings)
	}
	p.SourceAdd("all", src.URLFor("app", "app-password", ""), src.BinDirOption())
	_, result = p.Backup("@all")
	failed(t, result, "permission denied for database", "postgres")
}

// A statement that fails is reported in the end, when the rest has been restored.
func TestFailingStatement(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	dst, restore := s.destination(t)
	dst.Exec(t, "postgres", "CREATE DATABASE first")
	dst.Exec(t, "first", "CREATE TABLE t (other text)")
	result := restore("")
	failed(t, result, `database "first"`, `relation "t" already exists`)
	query(t, dst, "first", "SELECT x FROM extra.u", "7")
	query(t, dst, "second", countT, "1000")

	// exit_on_error: nothing after the first error.
	dst, restore = s.destination(t)
	dst.Exec(t, "postgres", "CREATE DATABASE first")
	dst.Exec(t, "first", "CREATE TABLE t (other text)")
	failed(t, restore("", "exit_on_error=true"), `relation "t" already exists`)
	query(t, dst, "postgres", exists("second"), "0")
	if err := s.plakar.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// The globals of the snapshot neither change the password of the role that
// restores nor make it less than it is.
func TestRestoringRoleSurvives(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE admin LOGIN PASSWORD 'another' NOSUPERUSER; CREATE ROLE other LOGIN PASSWORD 'others'")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	dst := harness.Start(t, harness.Password("the target's own"))
	dst.Exec(t, "postgres", "CREATE ROLE admin LOGIN SUPERUSER PASSWORD 'mine'")
	p.DestinationAdd("dst", dst.URLFor("admin", "mine", ""), dst.BinDirOption())
	for range 2 {
		p.MustRestore("@dst", snapshot, "-o", "recreate=true")
	}
	query(t, dst, "postgres", "SELECT rolsuper FROM pg_roles WHERE rolname = 'admin'", "t")
	// Every other role has what was saved.
	p.DestinationAdd("postgres", dst.URLFor("postgres", harness.DefaultPassword, ""), dst.BinDirOption())
	p.MustRun("destination", "ping", "postgres")
}

// An error of the globals other than a duplicate is a failure.
func TestFailingGlobals(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(src.Dir(t, "fast")))
	src.Exec(t, "postgres", "CREATE ROLE zoe")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	dst := harness.Start(t)
	src.Stop(harness.Fast)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(src.Dir(t, "fast")), "fast")); err != nil {
		t.Fatal(err)
	}
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	failed(t, p.Restore("@dst", snapshot), "globals", "58P01")
	query(t, dst, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'zoe'", "1")
}

// recreate leaves a database alone that it cannot drop.
func TestRecreateInUse(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	harness.AlsoInContainers(t)
	s := newSource(t)
	dst, restore := s.destination(t)
	ok(t, restore(""))
	dst.Exec(t, "first", "INSERT INTO t VALUES (0)")
	dst.Connect(t, "first")
	failed(t, restore("", "recreate=true"), `database "first"`, "being accessed by other users", "hint:")
	query(t, dst, "first", countT, "1001")
	query(t, dst, "second", countT, "1000")
}

// Mistakes get one clear message, before anything is touched, without the password.
func TestMistakes(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	src := harness.Start(t)
	const secret = "hunter2-secret"
	closed := fmt.Sprintf("postgres://u:%s@127.0.0.1:%d/", secret, harness.FreePort(t))
	p := harness.NewPlakar(t)
	for name, c := range map[string]struct {
		location string
		options  []string
		want     []string
	}{
		"wrong password":        {src.URLFor("postgres", secret, ""), nil, []string{"password authentication failed", "28P01"}},
		"no server":             {closed, nil, []string{"connection refused", "127.0.0.1"}},
		"unknown database":      {src.URL("nosuch"), nil, []string{`database "nosuch" does not exist`}},
		"unknown option":        {src.URLFor("u", secret, ""), []string{"tabels=x"}, []string{`"tabels"`, "tables"}},
		"bad value":             {src.URLFor("u", secret, ""), []string{"jobs=0"}, []string{`"jobs"`, "1 to 256"}},
		"contradiction":         {src.URLFor("u", secret, ""), []string{"schema_only=true", "data_only=true"}, []string{`"schema_only"`, `"data_only"`}},
		"patterns for all":      {src.URLFor("u", secret, ""), []string{"tables=t"}, []string{`"tables"`, "one database"}},
		"unknown parameter":     {src.URLFor("u", secret, "") + "?nosuch=1", nil, []string{`"nosuch"`}},
		"broken escape":         {"postgres://u:" + secret + "%@h/", nil, []string{`"location"`, "%25"}},
		"everything excluded":   {src.URL(""), []string{"exclude_databases=postgres,template1"}, []string{`"exclude_databases"`, "no database is left"}},
		"no such table":         {src.URL("postgres"), []string{"tables=nosuch"}, []string{`database "postgres"`, "nosuch"}},
		"TLS that is not there": {src.URL("") + "?sslmode=require", nil, []string{"TLS"}},
		"no tools":              {src.URL(""), []string{"pg_bin_dir=" + t.TempDir()}, []string{`"pg_bin_dir"`}},
	} {
		source := "s" + strings.ReplaceAll(name, " ", "-")
		options := c.options
		if !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "pg_bin_dir=") }) {
			options = append(options, src.BinDirOption())
		}
		p.SourceAdd(source, c.location, options...)
		_, result := p.Backup("@" + source)
		if result.ExitCode != 1 {
			t.Errorf("%s: exit status %d", name, result.ExitCode)
		}
		for _, want := range c.want {
			if !strings.Contains(result.Message(), want) {
				t.Errorf("%s: the message lacks %q:\n%s", name, want, result.Output())
			}
		}
		if strings.Contains(result.Output(), secret) {
			t.Errorf("%s: the password is shown:\n%s", name, result.Output())
		}
	}
	if snapshots := p.Snapshots(); len(snapshots) != 0 {
		t.Errorf("there are snapshots: %q", snapshots)
	}
}

// Tools that cannot dump the server are refused with both versions.
func TestOldTools(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it starts a server of the newest version with the oldest tools")
	majors := harness.Majors()
	if len(majors) < 2 {
		t.Skip("one PostgreSQL version is installed; CI runs this with several")
	}
	oldest, newest := majors[0], majors[len(majors)-1]
	src := harness.Start(t, harness.Major(newest))
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), "pg_bin_dir="+harness.BinDir(t, oldest))
	for _, result := range []harness.Result{p.Run("backup", "@mypg"), p.Run("source", "ping", "mypg")} {
		failed(t, result, fmt.Sprintf("PostgreSQL %d", newest), fmt.Sprintf("found: %d.", oldest), "pg_bin_dir")
	}
	p.DestinationAdd("dst", src.URL(""), "pg_bin_dir="+harness.BinDir(t, oldest))
	failed(t, p.Run("destination", "ping", "dst"), fmt.Sprintf("PostgreSQL %d", newest), "pg_bin_dir")
}

// What a backup or restore does not understand is refused.
func TestForeignSnapshot(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what is no dump is refused before it reaches a server")
	dst := harness.Start(t)
	p := harness.NewPlakar(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("00001-broken.dump", "PGDMP is not all of it")
	write("notes.txt", "hello")
	snapshot := p.MustBackup(dir)
	result := p.Restore("@dst", snapshot+":"+dir)
	failed(t, result, `"broken"`, "notes.txt")
	query(t, dst, "postgres", exists("broken"), "0")

	write("PG_VERSION", "15\n")
	snapshot = p.MustBackup(dir)
	failed(t, p.Restore("@dst", snapshot+":"+dir), "physical backup", "hint:")
}

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// warnedOf checks that a backup said the text, and that its manifest.json does.
func warnedOf(t *testing.T, p *harness.Plakar, snapshot string, result harness.Result, text string) {
	t.Helper()
	if !strings.Contains(result.Message(), text) {
		t.Errorf("the backup does not say %q:\n%s", text, result.Output())
	}
	warnings := validate(t, p.Cat(snapshot, "/manifest.json")).Warnings
	if !slices.ContainsFunc(warnings, func(w manifest.Warning) bool { return strings.Contains(w.Message, text) }) {
		t.Errorf("manifest.json does not say %q: %v", text, warnings)
	}
}

// A server that does not tell the sizes of its databases is backed up all the same.
func TestDatabaseSizesRefused(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE saver LOGIN PASSWORD 'saves'; GRANT pg_read_all_data TO saver")
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	for _, db := range []string{"postgres", "template1"} {
		src.Exec(t, db, "REVOKE EXECUTE ON FUNCTION pg_database_size(oid) FROM PUBLIC")
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URLFor("saver", "saves", ""), src.BinDirOption())
	snapshot, result := p.Backup("@mypg")
	ok(t, result)
	document := validate(t, p.Cat(snapshot, "/manifest.json"))
	for _, d := range document.Databases {
		if d.SizeBytes != nil || d.Owner == nil {
			t.Errorf("database %s: size %v, owner %v", d.Name, d.SizeBytes, d.Owner)
		}
	}
	if cluster := validateCluster(t, p.Cat(snapshot, "/00000-cluster.json")); cluster.PinnedSettings["lc_monetary"] != "C" || len(cluster.Databases) != 3 || len(cluster.Databases[1].Schemas) != 1 {
		t.Errorf("%+v", cluster)
	}
}

// template0 is neither saved nor replaced, whoever may connect to it.
func TestTemplate0(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
	for _, s := range []*harness.Server{src, dst} {
		s.Exec(t, "postgres", "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
	}
	const oid = "SELECT oid FROM pg_database WHERE datname = 'template0'"
	before := dst.QueryText(t, "postgres", oid)
	snapshot := p.MustBackup("@mypg")
	if paths := p.Ls(snapshot); slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, "template0") }) {
		t.Errorf("the snapshot holds %q", paths)
	}
	ok(t, p.Restore("@dst", snapshot))
	if after := dst.QueryText(t, "postgres", oid); after != before {
		t.Errorf("template0 was %s, is %s", before, after)
	}
	_, result := p.Backup("@mypg", "-o", "database=template0")
	failed(t, result, `option "database": template0`)
}

// A name that was mistyped in an exclusion excludes nothing, which is said.
func TestExcludeDatabasesTypingError(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshot, result := p.Backup("@mypg", "-o", "exclude_databases=nosuch,template1")
	ok(t, result)
	warnedOf(t, p, snapshot, result, `option "exclude_databases": there is no database "nosuch"`)
	if strings.Contains(result.Message(), `database "template1"`) {
		t.Errorf("a database that is there is named:\n%s", result.Output())
	}
}

// A database that nobody may connect to is named, unless it is excluded. A restore of the others succeeds.
func TestDatabaseWithoutConnections(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "databases have had the mark for long")
	src := harness.Start(t)
	for _, db := range []string{"closed", "hidden"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db+" ALLOW_CONNECTIONS false")
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshot, result := p.Backup("@mypg", "-o", "exclude_databases=hidden")
	ok(t, result)
	warnedOf(t, p, snapshot, result, `database "closed" is skipped: it accepts no connections`)
	if strings.Contains(result.Message(), `"hidden"`) || strings.Contains(result.Message(), `"template0"`) {
		t.Errorf("an excluded database is named:\n%s", result.Output())
	}
	_, result = p.Backup("@mypg", "-o", "database=closed")
	failed(t, result, `database "closed" is not currently accepting connections`)
}

// toolsWith makes a directory of client tools, of which one runs SQL on the server before it does its work
// with arguments that the pattern of a shell matches.
func toolsWith(t *testing.T, s *harness.Server, name, pattern, sql string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"pg_dump", "pg_dumpall"} {
		if tool != name {
			must(t, os.Symlink(s.ClientTool(tool), filepath.Join(dir, tool)))
		}
	}
	script := "#!/bin/sh\ncase \"$*\" in " + pattern + ") " + s.Tool("psql") + " -qX '" + s.URL("postgres") + "' -c '" + sql + "' >&2;; esac\nexec " + s.ClientTool(name) + " \"$@\"\n"
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700)) //nolint:gosec // a program
	return "pg_bin_dir=" + dir
}

// A database that is dropped between the list and its dump has empty files, as a restore notices.
// One that was renamed is missing, and one that was dropped in the middle has half of a dump: both fail.
func TestDatabaseDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	p := harness.NewPlakar(t)
	create := func(db string) {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	create("shop")
	create("gone")
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
	// The tools are looked for when the databases have been listed.
	p.SourceAdd("renaming", src.URL(""), toolsWith(t, src, "pg_dump", "--version", "ALTER DATABASE gone RENAME TO moved"))
	_, result := p.Backup("@renaming")
	failed(t, result, `database "gone"`, "does not exist")
	src.Exec(t, "postgres", "ALTER DATABASE moved RENAME TO gone")

	for name, c := range map[string]struct{ tools, file string }{
		"listed":   {toolsWith(t, src, "pg_dump", "--version", "DROP DATABASE IF EXISTS gone"), "/00001-gone.dump"},
		"measured": {toolsWith(t, src, "pg_dumpall", "*--globals-only*", "DROP DATABASE IF EXISTS gone"), "/00001-gone/3-post-data.dump"},
	} {
		p.SourceAdd(name, src.URL(""), c.tools, "jobs=1", "layout=tables", "table_size=1B")
		snapshot, result := p.Backup("@" + name)
		ok(t, result)
		if want := `database "gone" was dropped before its dump began`; name == "listed" {
			warnedOf(t, p, snapshot, result, want)
		} else if !strings.Contains(result.Message(), want) { // manifest.json was complete
			t.Errorf("%s: the backup does not say it:\n%s", name, result.Output())
		}
		if content := p.Cat(snapshot, c.file); len(content) > 0 {
			t.Errorf("%s: its file holds %d bytes", name, len(content))
		}
		result = p.Restore("@dst", snapshot)
		ok(t, result)
		if !strings.Contains(result.Message(), `database "gone" was dropped during the backup`) {
			t.Errorf("%s: the restore does not say it:\n%s", name, result.Output())
		}
		if names := dst.Databases(t); slices.Contains(names, "gone") || !slices.Contains(names, "shop") {
			t.Errorf("%s: the databases are %q", name, names)
		}
		query(t, dst, "shop", countT, "1")
		create("gone")
	}

	p.SourceAdd("middle", src.URL(""), toolsWith(t, src, "pg_dump", "*gone*section=data*", "DROP DATABASE IF EXISTS gone WITH (FORCE)"), "jobs=1", "layout=tables", "table_size=1B")
	snapshot, result := p.Backup("@middle")
	failed(t, result, `database "gone"`)
	if snapshot != "" {
		t.Errorf("there is a snapshot of half a database: %q", p.Ls(snapshot))
	}
}

// All files of a dropped database's directory are empty.
func TestPartsOfDroppedDatabase(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	p := harness.NewPlakar(t)
	for _, db := range []string{"gone", "shop"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption(), "layout=tables", "table_size=1")
	snapshot, dir := p.MustBackup("@mypg"), t.TempDir()
	for _, path := range p.Ls(snapshot) {
		if !strings.Contains(filepath.Base(path), ".") {
			continue // a directory
		}
		text := string(p.Cat(snapshot, path))
		if strings.Contains(path, "-gone/") {
			text = ""
		}
		write(t, filepath.Join(dir, path), text)
	}
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	result := p.Restore("@dst", p.MustBackup(dir)+":"+dir)
	ok(t, result)
	if !strings.Contains(result.Message(), `database "gone" was dropped during the backup`) {
		t.Errorf("the restore does not say it:\n%s", result.Output())
	}
	if names := dst.Databases(t); slices.Contains(names, "gone") {
		t.Errorf("the databases are %q", names)
	}
	query(t, dst, "shop", countT, "1")

	// Some of them alone are damage.
	for _, part := range []string{"1-pre-data.dump", "2-data/public.t.dump", "3-post-data.dump"} {
		file := filepath.Join(dir, "00001-gone", part)
		write(t, file, string(p.Cat(snapshot, "/00001-gone/"+part)))
		failed(t, p.Restore("@dst", p.MustBackup(dir)+":"+dir, "-o", "recreate=true"), "are empty and others are not")
		write(t, file, "")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

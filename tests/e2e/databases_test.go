package e2e

import (
	"os"
	"path/filepath"
	"regexp"
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

// A database that is dropped between the list and its dump has an empty file, as a
// restore notices. One that was renamed is missing, which fails.
func TestDatabaseDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	p := harness.NewPlakar(t)
	for _, db := range []string{"gone", "shop"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	// The tools are looked for when the databases have been listed.
	tools := func(sql string) string {
		dir := t.TempDir()
		for _, tool := range []string{"pg_dump", "pg_dumpall"} {
			must(t, os.Symlink(src.ClientTool(tool), filepath.Join(dir, tool)))
		}
		must(t, os.Remove(filepath.Join(dir, "pg_dump")))
		script := "#!/bin/sh\n[ \"$1\" != --version ] || " + src.Tool("psql") + " -qX '" + src.URL("postgres") + "' -c '" + sql + "' >&2\nexec " + src.ClientTool("pg_dump") + " \"$@\"\n"
		must(t, os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(script), 0o700)) //nolint:gosec // a program
		return "pg_bin_dir=" + dir
	}
	p.SourceAdd("renaming", src.URL(""), tools("ALTER DATABASE gone RENAME TO moved"))
	_, result := p.Backup("@renaming")
	failed(t, result, `database "gone"`, "does not exist")
	src.Exec(t, "postgres", "ALTER DATABASE moved RENAME TO gone")

	p.SourceAdd("dropping", src.URL(""), tools("DROP DATABASE IF EXISTS gone"))
	snapshot, result := p.Backup("@dropping")
	ok(t, result)
	warnedOf(t, p, snapshot, result, `database "gone" was dropped before its dump began`)
	if content := p.Cat(snapshot, "/00001-gone.dump"); len(content) > 0 {
		t.Errorf("its file holds %d bytes", len(content))
	}
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	result = p.Restore("@dst", snapshot)
	ok(t, result)
	if !strings.Contains(result.Message(), `database "gone" was dropped during the backup`) {
		t.Errorf("the restore does not say it:\n%s", result.Output())
	}
	if names := dst.Databases(t); slices.Contains(names, "gone") || !slices.Contains(names, "shop") {
		t.Errorf("the databases are %q", names)
	}
	query(t, dst, "shop", countT, "1")
}

// All files of a dropped database's directory are empty, and the manifest knows nothing about it.
func TestPartsOfDroppedDatabase(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	p := harness.NewPlakar(t)
	for _, db := range []string{"gone", "shop"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption(), "layout=tables", "table_size=1")
	snapshot, dir, whole := p.MustBackup("@mypg"), t.TempDir(), ""
	for _, path := range p.Ls(snapshot) {
		if !strings.Contains(filepath.Base(path), ".") {
			continue // a directory
		}
		text := string(p.Cat(snapshot, path))
		if strings.Contains(path, "-gone/") {
			text = ""
		}
		if path == "/manifest.json" {
			whole = text
			text = regexp.MustCompile(`(?s)("name": ?"gone",\s*"owner": ?)"postgres"`).ReplaceAllString(text, "${1}null")
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
	// Of a database that was there when the backup ended, something is missing.
	write(t, filepath.Join(dir, "manifest.json"), whole)
	failed(t, p.Restore("@dst", p.MustBackup(dir)+":"+dir, "-o", "databases=gone"), "1-pre-data.dump, which is empty although its database was not dropped")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// inParts are the options with which every ordinary table gets a file of its own.
var inParts = []string{"layout=tables", "table_size=0"}

// parts returns the paths below the directory of a database, and the directory.
func parts(t *testing.T, p *harness.Plakar, snapshot, database string) (directory string, paths []string) {
	t.Helper()
	for _, path := range p.Ls(snapshot) {
		if strings.HasSuffix(path, "-"+database) {
			directory = path
		} else if directory != "" && strings.HasPrefix(path, directory+"/") {
			paths = append(paths, path)
		}
	}
	if directory == "" {
		t.Fatalf("database %q has no directory in %q", database, p.Ls(snapshot))
	}
	return directory, paths
}

// Every part is an archive that pg_restore reads by itself, and all of them in the
// order of their names make the database that one dump makes.
func TestPartsByHand(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		p := harness.NewPlakar(t)
		p.SourceAdd("mypg", src.URL(harness.SeedDatabase), append(inParts, src.BinDirOption())...)
		snapshot := p.MustBackup("@mypg")
		validate(t, p.Cat(snapshot, "/manifest.json"))
		directory, paths := parts(t, p, snapshot, harness.SeedDatabase)
		for _, want := range []string{"/1-pre-data.dump", "/2-data/others.dump", "/2-data/app.customer.dump", "/2-data/app.Table; DROP TABLE customer; --.dump", "/3-post-data.dump"} {
			if !slices.Contains(paths, directory+want) {
				t.Errorf("%s is not in the snapshot: %q", want, paths)
			}
		}
		dir := filepath.Join(t.TempDir(), "restored")
		ok(t, p.Restore(dir, snapshot))
		src.Exec(t, "postgres", "CREATE DATABASE copy TEMPLATE template0 ENCODING 'UTF8'")
		for _, path := range paths {
			if !strings.HasSuffix(path, ".dump") {
				continue
			}
			cmd := exec.Command(src.ClientTool("pg_restore"), "-d", "copy", filepath.Join(dir, path)) //nolint:gosec // a test's own file
			if harness.ToolsMajor(t, major) >= 18 && major < 18 {                                     // it has saved statistics, which the server does not take
				cmd.Args = append(cmd.Args, "--no-statistics")
			}
			cmd.Env = src.Env("copy")
			out, err := cmd.CombinedOutput()
			// A newer one sets what the server does not know, and goes on.
			fine := strings.Contains(string(out), "transaction_timeout") && strings.Contains(string(out), "ignored on restore: 1\n")
			if err != nil && !fine {
				t.Errorf("%s: %v\n%s", path, err, out)
			}
		}
		harness.CompareDatabase(t, src, src, harness.SeedDatabase, "copy")
	})
}

// The whole way through plakar, with everything that is hard to carry over.
func TestLayoutRoundTrip(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		p := harness.NewPlakar(t)
		p.SourceAdd("mypg", src.URL(""), append(inParts, src.BinDirOption())...)
		snapshot := p.MustBackup("@mypg")
		for _, jobs := range []string{"jobs=1", "jobs=4"} {
			dst := harness.Start(t, harness.Major(major))
			p.DestinationAdd("dst"+jobs, dst.URL(""), "recreate=true", dst.BinDirOption(), jobs)
			p.MustRestore("@dst"+jobs, snapshot)
			harness.CompareClusters(t, src, dst)
			// Once more over what is there. postgres, which is never dropped, has a table
			// by now, and cannot be cleaned table by table.
			result := p.Restore("@dst"+jobs, snapshot)
			failed(t, result, `database "postgres"`, "cannot replace them one by one", "hint:")
			if strings.Contains(result.Output(), `database "`+harness.SeedDatabase+`"`) {
				t.Errorf("recreate did not replace a database:\n%s", result.Output())
			}
			harness.CompareClusters(t, src, dst)
			// The same under another name, which is certain to be right only in the end.
			ok(t, p.Restore("@dst"+jobs, p.MustBackup("@mypg", "-o", "database="+harness.SeedDatabase), "-o", "database=copy"))
			harness.CompareDatabase(t, src, dst, harness.SeedDatabase, "copy")
		}
		if err := p.LeftBehind(); err != nil {
			t.Error(err)
		}
	})
}

// Names that are code to something between two servers.
func TestLayoutHostileNames(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	const db = "slash/.. and\nnew line.dump"
	src.Exec(t, "postgres", "CREATE DATABASE "+harness.Ident(db))
	for i, name := range append([]string{"a.b", "others", "00001-x", "x\"", "Case", "case"}, harness.AwkwardNames...) {
		id := harness.Ident(name)
		src.Exec(t, db, fmt.Sprintf("CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.%[1]s (%[1]s text, n int); INSERT INTO %[1]s.%[1]s VALUES (%[2]s, %[3]d)", id, harness.Literal(name), i))
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(db), append(inParts, src.BinDirOption())...)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "jobs=2")
	snapshot := p.MustBackup("@mypg")
	tables := 0
	for _, path := range p.Ls(snapshot) {
		if strings.Count(path, "/") > 3 || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' }) {
			t.Errorf("a path in the snapshot: %q", path)
		}
		if strings.Contains(path, "/2-data/") {
			tables++
		}
	}
	// All but the one whose name would be too long, and the file with the others.
	if want := len(harness.AwkwardNames) + 6; tables != want {
		t.Errorf("%d files in 2-data, want %d", tables, want)
	}
	p.MustRestore("@dst", snapshot)
	harness.CompareDatabase(t, src, dst, db, db)

	const table = `"a.b"."a.b"`
	dst.Exec(t, db, "TRUNCATE "+table)
	ok(t, p.Restore("@dst", snapshot+":/00001-slash%2F.. and%0Anew line.dump/2-data/a%2Eb.a%2Eb.dump"))
	query(t, dst, db, "SELECT count(*) FROM "+table, "1")
}

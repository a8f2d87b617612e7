package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// inParts are the options with which every ordinary table gets a file of its own.
var inParts = []string{"layout=tables", "table_size=0"}

// parts returns the paths below the folder of a database, and the folder.
func parts(t *testing.T, p *harness.Plakar, snapshot, database string) (folder string, paths []string) {
	t.Helper()
	for _, path := range p.Ls(snapshot) {
		if strings.HasSuffix(path, "-"+database) {
			folder = path
		} else if folder != "" && strings.HasPrefix(path, folder+"/") {
			paths = append(paths, path)
		}
	}
	if folder == "" {
		t.Fatalf("database %q has no folder in %q", database, p.Ls(snapshot))
	}
	return folder, paths
}

// Every part is an archive that pg_restore reads by itself, and all of them in the
// order of their names make the database that one dump makes.
func TestPartsByHand(t *testing.T) {
	t.Parallel()
	harness.EachMajor(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		p := harness.NewPlakar(t)
		p.SourceAdd("mypg", src.URL(harness.SeedDatabase), append(inParts, src.BinDirOption())...)
		snapshot := p.MustBackup("@mypg")
		validate(t, p.Cat(snapshot, "/manifest.json"))
		folder, paths := parts(t, p, snapshot, harness.SeedDatabase)
		for _, want := range []string{"/1-pre-data.dump", "/2-data/others.dump", "/2-data/app.customer.dump", "/2-data/app.Table; DROP TABLE customer; --.dump", "/3-post-data.dump"} {
			if !slices.Contains(paths, folder+want) {
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
			cmd := exec.Command(src.Tool("pg_restore"), "--exit-on-error", "-d", "copy", filepath.Join(dir, path)) //nolint:gosec // a test's own file
			cmd.Env = src.Env("copy")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", path, err, out)
			}
		}
		harness.CompareDatabase(t, src, src, harness.SeedDatabase, "copy")
	})
}

package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/exporter/check"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A good logical snapshot passes, in either layout; what is there is compared with the dumps.
func TestCheckLogical(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		withTablespace(t, src)
		p := harness.NewPlakar(t)
		p.SourceAdd("log", src.URL(""), src.BinDirOption())
		c := newProof(t, p, src)
		r := c.passes(p.MustBackup("@log"), "level=amcheck")
		expected(t, src, r)
		p.SourceAdd("parts", src.URL(""), src.BinDirOption(), "layout=tables", "table_size=0")
		r = c.passes(p.MustBackup("@parts"), "jobs=1")
		expected(t, src, r)
		if got := src.QueryText(t, "postgres", "SELECT count(*) FROM far"); got != "1000" {
			t.Errorf("the original has %s rows", got)
		}
	})
}

// expected checks that a report has every row of the seed, and that it was compared with the
// dump.
func expected(t *testing.T, s *harness.Server, r *check.Report) {
	t.Helper()
	if *r.Snapshot.Kind != "logical" || r.Snapshot.ManifestSHA256 == nil {
		t.Errorf("%+v", r.Snapshot)
	}
	checkCounts(t, s, harness.SeedDatabase, func(schema, table string) int64 { return rowsOf(r, harness.SeedDatabase, schema, table) })
	compared := 0
	for _, d := range r.Databases {
		for _, table := range d.Tables {
			if table.Expected != nil {
				compared++
			}
		}
	}
	if compared < 20 || rowsOf(r, "postgres", "public", "far") != 1000 {
		t.Errorf("%d tables were compared: %+v", compared, r.Databases)
	}
}

// What is wrong with a logical snapshot is found and named.
func TestCheckLogicalFinds(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "every version is checked alike")
	src := harness.Start(t)
	src.Exec(t, "postgres", `CREATE FUNCTION most() RETURNS int LANGUAGE sql AS 'SELECT 100';
		CREATE TABLE fits (a int); INSERT INTO fits SELECT generate_series(1, 10);
		CREATE TABLE misfit (a int CHECK (a < most())); INSERT INTO misfit VALUES (50)`)
	p := harness.NewPlakar(t)
	p.SourceAdd("log", src.URL(""), src.BinDirOption())
	c := newProof(t, p, src)
	good := p.MustBackup("@log")

	t.Run("constraint", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE OR REPLACE FUNCTION most() RETURNS int LANGUAGE sql AS 'SELECT 10'")
		defer src.Exec(t, "postgres", "DROP TABLE misfit")
		r := c.fails(p.MustBackup("@log"), []string{`violates check constraint "misfit_a_check"`, "public.misfit has 0 rows, its dump holds 1"})
		if got := rowsOf(r, "postgres", "public", "fits"); got != 10 {
			t.Errorf("fits: %d rows", got)
		}
	})
	t.Run("part", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE TABLE lost AS SELECT 1 AS a")
		defer src.Exec(t, "postgres", "DROP TABLE lost")
		p.SourceAdd("parts", src.URL("postgres"), src.BinDirOption(), "layout=tables", "table_size=0")
		c.checkChanged(t, p.MustBackup("@parts"), []changed{{"of another table", func(dir string) error {
			data := filepath.Join(dir, "00001-postgres", "2-data")
			return errors.Join(os.Remove(filepath.Join(data, "public.lost.dump")), os.Link(filepath.Join(data, "public.fits.dump"), filepath.Join(data, "public.lost.dump")))
		}, "public.lost.dump does not hold the rows of public.lost", false}})
	})
	t.Run("extension", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE EXTENSION citext; CREATE TABLE worded (w citext); UPDATE pg_extension SET extname = 'postgis' WHERE extname = 'citext'")
		c.fails(p.MustBackup("@log"), []string{`extension "postgis" is not available`, "these are in the dump and not in the database", "EXTENSION postgis (Debian, Ubuntu: postgresql-" + strconv.Itoa(src.Major) + "-postgis-3)", "TABLE public.worded"})
	})
	c.checkChanged(t, good, []changed{
		{"same", func(string) error { return nil }, "", false},
		{"no manifest", func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) }, "manifest.json did not arrive", false},
		{"no dump", func(dir string) error { return os.Remove(filepath.Join(dir, "00001-postgres.dump")) }, `lacks the dump of "postgres"`, false},
		{"no description", func(dir string) error { return os.Remove(filepath.Join(dir, "00000-cluster.json")) },
			"lacks the description of the cluster (00000-cluster.json)", false},
		{"half a dump", func(dir string) error {
			file := filepath.Join(dir, "00001-postgres.dump")
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, info.Size()-20)
		}, "00001-postgres.dump is damaged", false},
		{"no server", func(dir string) error {
			return replace(filepath.Join(dir, "00000-cluster.json"), `"server_version_num": 15`, `"server_version_num": 99`)
		},
			"postgresql-99", true},
	})
}

// replace replaces a text in a file, with or without space behind colons.
func replace(file, before, after string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(before)) {
		before, after = strings.ReplaceAll(before, ": ", ":"), strings.ReplaceAll(after, ": ", ":")
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(before), []byte(after), 1), 0o600)
}

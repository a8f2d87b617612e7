package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// schemas is what TestImportOptions selects from.
const schemas = `
CREATE SCHEMA a; CREATE SCHEMA b;
CREATE TABLE a.one (x int); INSERT INTO a.one SELECT generate_series(1, 1000);
CREATE TABLE a.two (x int); INSERT INTO a.two VALUES (2);
CREATE TABLE b.one (x int); INSERT INTO b.one VALUES (3);`

// TestImportOptions backs up with each option and looks at what the snapshot
// holds.
func TestImportOptions(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	src := harness.Start(t)
	for _, db := range []string{"shop", "other"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
	}
	src.Exec(t, "shop", schemas)
	p := harness.NewPlakar(t)
	p.SourceAdd("all", src.URL(""), src.BinDirOption())
	p.SourceAdd("shop", src.URL("shop"), src.BinDirOption())

	all := []string{"/00000-cluster.json", "/00000-globals.sql", "/00001-other.dump", "/00002-postgres.dump", "/00003-shop.dump", "/00004-template1.dump", "/manifest.json"}
	one := []string{"/00000-cluster.json", "/00000-globals.sql", "/00001-shop.dump", "/manifest.json"}
	for name, c := range map[string]struct {
		source  string
		options []string
		paths   []string
		has     []string // in pg_restore's list of the dump of shop
		lacks   []string
	}{
		"all":                  {"@all", nil, all, []string{"TABLE a one", "TABLE DATA a one"}, nil},
		"database":             {"@all", []string{"database=shop"}, one, []string{"TABLE a one"}, nil},
		"database in the URI":  {"@shop", nil, one, []string{"TABLE a one"}, nil},
		"exclude_databases":    {"@all", []string{"exclude_databases=other, template1,nosuch"}, []string{"/00000-cluster.json", "/00000-globals.sql", "/00001-postgres.dump", "/00002-shop.dump", "/manifest.json"}, nil, nil},
		"exclusion of the one": {"@shop", []string{"exclude_databases=shop"}, one, nil, nil},
		"compress":             {"@shop", []string{"compress=true"}, one, []string{"TABLE DATA a one"}, []string{"Compression: 0", "Compression: none"}},
		"no compression":       {"@shop", nil, one, nil, []string{"Compression: gzip", "Compression: -1"}},
		"schema_only":          {"@shop", []string{"schema_only=true"}, one, []string{"TABLE a one"}, []string{"TABLE DATA"}},
		"data_only":            {"@shop", []string{"data_only=true"}, []string{"/00000-cluster.json", "/00001-shop.dump", "/manifest.json"}, []string{"TABLE DATA a one"}, []string{"TABLE a one"}},
		"schemas":              {"@shop", []string{"schemas=a"}, one, []string{"TABLE a one", "TABLE a two"}, []string{"TABLE b one"}},
		"exclude_schemas":      {"@shop", []string{"exclude_schemas=a,nosuch"}, one, []string{"TABLE b one"}, []string{"TABLE a one"}},
		"tables":               {"@shop", []string{`tables=a.o*,"b"."one"`}, one, []string{"TABLE a one", "TABLE b one"}, []string{"TABLE a two"}},
		"exclude_tables":       {"@shop", []string{"exclude_tables=*.one"}, one, []string{"TABLE a two"}, []string{"TABLE a one", "TABLE b one"}},
		"exclude_table_data":   {"@shop", []string{"exclude_table_data=a.one"}, one, []string{"TABLE a one", "TABLE DATA a two"}, []string{"TABLE DATA a one"}},
		"jobs":                 {"@all", []string{"jobs=1"}, all, []string{"TABLE a one"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			snapshot := p.MustBackup(c.source, flags(c.options)...)
			if got := p.Ls(snapshot); !slices.Equal(got, c.paths) {
				t.Errorf("the snapshot holds %q, want %q", got, c.paths)
			}
			validate(t, p.Cat(snapshot, "/manifest.json"))
			validateCluster(t, p.Cat(snapshot, "/00000-cluster.json"))
			if len(c.has)+len(c.lacks) == 0 {
				return
			}
			i := slices.IndexFunc(c.paths, func(path string) bool { return strings.HasSuffix(path, "-shop.dump") })
			list := listArchive(t, src, p.Cat(snapshot, c.paths[i]))
			for _, want := range c.has {
				if !strings.Contains(list, want) {
					t.Errorf("the dump lacks %q:\n%s", want, list)
				}
			}
			for _, unwanted := range c.lacks {
				if strings.Contains(list, unwanted) {
					t.Errorf("the dump has %q:\n%s", unwanted, list)
				}
			}
		})
	}
}

// TestCompressMethods: what pg_dump 16 has is refused with an older one, before
// anything is dumped.
func TestCompressMethods(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major))
		s.Psql(t, "postgres", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
		p := harness.NewPlakar(t)
		p.SourceAdd("pg", s.URL("postgres"), s.BinDirOption())
		tools := harness.ToolsMajor(t, major)
		for _, method := range []string{"gzip", "lz4", "zstd"} {
			if tools < 16 && method != "gzip" {
				_, result := p.Backup("@pg", "-o", "compress="+method)
				if result.ExitCode != 1 || !strings.Contains(result.Output(), `option "compress": `+method+" needs pg_dump 16 or later") {
					t.Errorf("%s: exit status %d: %s", method, result.ExitCode, result.Output())
				}
				continue
			}
			snapshot := p.MustBackup("@pg", "-o", "compress="+method)
			list := listArchive(t, s, p.Cat(snapshot, "/00001-postgres.dump"))
			if want := "Compression: " + method; tools >= 16 && !strings.Contains(list, want) {
				t.Errorf("the dump lacks %q:\n%s", want, list)
			}
			p.DestinationAdd("dst", s.URL(""), "database=restored", "recreate=true", s.BinDirOption())
			p.MustRestore("@dst", snapshot)
			if rows := s.QueryText(t, "restored", "SELECT count(*) FROM t"); rows != "1000" {
				t.Errorf("%s: %s rows restored", method, rows)
			}
			p.MustRun("destination", "rm", "dst")
		}
	})
}

// flags makes "-o name=value" of each option.
func flags(options []string) []string {
	var f []string
	for _, o := range options {
		f = append(f, "-o", o)
	}
	return f
}

// listArchive is what pg_restore --list says of an archive.
func listArchive(t *testing.T, s *harness.Server, archive []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(s.ClientTool("pg_restore"), "--list", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// A dump that is the same as the last one is stored once: without pg_dump's
// compression, and although plakar must not take it for unchanged.
func TestSecondBackupAddsLittle(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	harness.LowestAndHighestMajorOnly(t, "the store and the archive's header are no matter of the server")
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", "CREATE TABLE big AS SELECT g AS id, md5(g::text) || md5((-g)::text) AS text FROM generate_series(1, 300000) g")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	p.MustBackup("@mypg")
	before := size(t, p.Store)
	p.MustBackup("@mypg")
	if added := size(t, p.Store) - before; added > before/4 {
		t.Errorf("the first backup took %d bytes, the second adds %d", before, added)
	}
	// A row that changes within the same second, without changing the dump's
	// size, has to be in the next snapshot.
	src.Exec(t, "shop", "CREATE TABLE mark (x text); INSERT INTO mark VALUES ('aaaaaaaaaaaaaaaa')")
	p.MustBackup("@mypg")
	src.Exec(t, "shop", "UPDATE mark SET x = 'bbbbbbbbbbbbbbbb'")
	last := p.MustBackup("@mypg")
	if dump := p.Cat(last, "/00001-shop.dump"); !strings.Contains(string(dump), "bbbbbbbbbbbbbbbb") {
		t.Error("the last snapshot has the dump of the one before")
	}
}

func size(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

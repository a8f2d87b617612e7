package e2e

import (
	"regexp"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Lines say how far a dump, a restore and a base backup are, with progress only.
func TestProgress(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "no version and no tool is asked for it")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop")
	s.server.Exec(t, "shop", "CREATE TABLE large AS SELECT i, md5(i::text) || md5((-i)::text) AS text FROM generate_series(1, 200000) i")
	dst := harness.Start(t)
	said := func(r harness.Result, want ...string) {
		t.Helper()
		ok(t, r)
		for _, line := range want {
			if !regexp.MustCompile(`level=INFO msg="progress: ` + line).MatchString(r.Stderr) {
				t.Errorf("no line %s:\n%s", line, r.Output())
			}
		}
		if len(want) == 0 && regexp.MustCompile("progress:").MatchString(r.Output()) {
			t.Errorf("progress that nobody asked for:\n%s", r.Output())
		}
	}
	const amount, share = `[0-9.]+ [KM]?i?B, [0-9.]+ [KM]?i?B/s`, `, \d+ % of the \d+ MiB that `
	often := []string{"-o", "progress=20ms"}

	var result harness.Result
	s.plakar.SourceAdd("single", s.server.URL("shop"), s.server.BinDirOption())
	_, result = s.plakar.Backup("@single")
	said(result)
	s.snapshot, result = s.plakar.Backup("@single", often...)
	said(result, `dump of database \\"shop\\": `+amount+share+`the database takes on the server"`)
	s.plakar.SourceAdd("tables", s.server.URL("shop"), append(inParts, s.server.BinDirOption())...)
	tables, result := s.plakar.Backup("@tables", often...)
	said(result, `dump of database \\"shop\\", table \\"public\\".\\"large\\": `+amount+share+`the table takes on the server"`)

	s.plakar.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	restored := `restore of database \\"shop\\": ` + amount + share + `it took when it was saved"`
	said(s.plakar.Restore("@dst", s.snapshot, often...), restored)
	said(s.plakar.Restore("@dst", s.snapshot, append(often, "-o", "recreate=true", "-o", "jobs=2")...), `restore of database .*shop.*`+amount)
	said(s.plakar.Restore("@dst", tables, append(often, "-o", "database=c1", "-o", "databases=shop")...), `restore of database \\"c1\\": `+amount+share)
	said(s.plakar.Restore("@dst", s.snapshot, append(often, "-o", "database=c2", "-o", "tables=large")...), `restore of database \\"c2\\": `+amount+`"`)

	s.plakar.SourceAdd("bin", physicalURL(s.server), "pg_bin_dir="+s.server.BinDir)
	snapshot, result := s.plakar.Backup("@bin", often...)
	said(result, `base backup: `+amount+share+`the tablespaces take"`)
	_, result = s.plakar.Backup("@bin", append(often, "-o", "method=pg_basebackup")...)
	said(result, `base backup: `+amount+share)
	dir := s.server.Dir(t, "copy")
	said(s.plakar.Restore(binURL(dir), snapshot, often...), `restore into `+regexp.QuoteMeta(dir)+`: `+amount)
}

package logical

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// One connection loads one table; what is small or needs a new password for each
// connection gets one as well.
func TestJobsForPart(t *testing.T) {
	files := tempfile.New(t.TempDir())
	defer func() { _ = files.Close() }()
	for _, c := range []struct {
		name string
		size int64
		want int
	}{
		{"1-pre-data.dump", smallDump, 1},
		{"2-data/s.t.dump", smallDump, 1},
		{"2-data/others.dump", smallDump - 1, 1},
		{"2-data/others.dump", smallDump, 3},
		{"3-post-data.dump", 1, 3},
	} {
		d := &partedDump{restorer: &restorer{runner: runner{options: options.Export{Jobs: 3}}}}
		a := newArchive("x", bytes.NewReader(nil))
		if err := a.spool(files); err != nil {
			t.Fatal(err)
		}
		if err := a.file.Truncate(c.size); err != nil {
			t.Fatal(err)
		}
		p, _ := recordname.ParsePart("/00001-x/" + c.name)
		if got := d.jobsForPart(a, p); got != c.want {
			t.Errorf("%s of %d bytes: %d connections, want %d", c.name, c.size, got, c.want)
		}
	}
}

// A file without its directory tells which database it is of.
func TestIdentify(t *testing.T) {
	for _, version := range []string{"15", "17", "18-pipe"} {
		content := dumpOf(t, version)
		a := newArchive("", bytes.NewReader(content))
		if err := a.identify("/s.t.dump"); err != nil || a.database != "small" || !strings.HasPrefix(a.toc.Header.ServerVersion, version[:2]+".") {
			t.Errorf("version %s: %q, %v", version, a.database, err)
		}
		// What was read to learn it is still there.
		_, all := a.open()
		if got, err := io.ReadAll(all); err != nil || !bytes.Equal(got, content) {
			t.Errorf("version %s: pg_restore would read %d bytes of %d, %v", version, len(got), len(content), err)
		}
	}
	for _, content := range []string{"", "PGDMP", "PGDMP\x01\x0f\x00\x04\x08\x01\x00", "text", string(dumpOf(t, "17")[:200])} {
		a := newArchive("", strings.NewReader(content))
		if err := a.identify("/s.t.dump"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q is identified: %v", content, err)
		}
		_, all := a.open()
		if got, err := io.ReadAll(all); err != nil || string(got) != content {
			t.Errorf("%q: pg_restore would read %q, %v", content, got, err)
		}
	}
}

// dumpOf is a small dump by pg_dump of a version.
func dumpOf(t testing.TB, version string) []byte {
	t.Helper()
	content, err := os.ReadFile("../../internal/dumparchive/testdata/v" + version + ".dump")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestOldestReader(t *testing.T) {
	for version, want := range map[string]int{"15": 0, "17": 17, "18": 17} {
		a := newArchive("small", bytes.NewReader(dumpOf(t, version)))
		if err := a.readTOC(); err != nil || a.oldestReader() != want {
			t.Errorf("version %s: %d, %v; want %d", version, a.oldestReader(), err, want)
		}
	}
	if got := (&archive{toc: &dumparchive.TOC{Header: dumparchive.Header{Version: 115}}}).oldestReader(); got != 16 {
		t.Errorf("1.15 is read by %d", got)
	}
}

func TestNewerThan(t *testing.T) {
	for version, want := range map[string]bool{"17.5 (Debian 17.5-1)": true, "16": true, "18beta1": true, "15.3": false, "9.6.2": false, "": false, "x": false} {
		a := &archive{toc: &dumparchive.TOC{Header: dumparchive.Header{ServerVersion: version}}}
		if got := a.newerThan(15); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

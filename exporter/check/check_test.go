package check

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

func TestTablespaceLocation(t *testing.T) {
	for script, want := range map[string]string{
		"CREATE TABLESPACE fast OWNER postgres LOCATION '/mnt/fast';\n":                          "CREATE TABLESPACE fast OWNER postgres LOCATION '';\n",
		"CREATE TABLESPACE \"a \"\" b\" OWNER \"x\ny\" LOCATION E'/it''s\\\\here';\nX":           "CREATE TABLESPACE \"a \"\" b\" OWNER \"x\ny\" LOCATION '';\nX",
		"CREATE ROLE a;\nCOMMENT ON TABLESPACE fast IS 'LOCATION ''/mnt''';\n":                   "CREATE ROLE a;\nCOMMENT ON TABLESPACE fast IS 'LOCATION ''/mnt''';\n",
		"CREATE TABLESPACE a OWNER b LOCATION '/1';\nCREATE TABLESPACE c OWNER d LOCATION '/2';": "CREATE TABLESPACE a OWNER b LOCATION '';\nCREATE TABLESPACE c OWNER d LOCATION '';",
	} {
		if got := string(tablespaceLocation.ReplaceAll([]byte(script), []byte("${1}''"))); got != want {
			t.Errorf("%q becomes %q, want %q", script, got, want)
		}
	}
}

func TestInitdbArgs(t *testing.T) {
	text := func(s string) *string { return &s }
	info := func(name, provider string, locale *string) manifest.ClusterDatabase {
		return manifest.ClusterDatabase{DatabaseInfo: manifest.DatabaseInfo{
			Name: name, Encoding: text("UTF8"), Collate: text("C"), Ctype: text("de_DE.utf8"), LocaleProvider: &provider, Locale: locale,
		}}
	}
	for _, c := range []struct {
		databases []manifest.ClusterDatabase
		major     int
		want      []string
	}{
		{nil, 15, []string{"--encoding=UTF8", "--locale=C"}},
		{[]manifest.ClusterDatabase{info("a", "icu", text("x")), info("template1", "libc", nil)}, 15, []string{"--encoding=UTF8", "--lc-collate=C", "--lc-ctype=de_DE.utf8"}},
		{[]manifest.ClusterDatabase{info("postgres", "icu", text("de"))}, 15, []string{"--encoding=UTF8", "--lc-collate=C", "--lc-ctype=de_DE.utf8", "--locale-provider=icu", "--icu-locale=de"}},
		{[]manifest.ClusterDatabase{info("postgres", "builtin", text("C.UTF-8"))}, 17, []string{"--encoding=UTF8", "--lc-collate=C", "--lc-ctype=de_DE.utf8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"}},
	} {
		got := initdbArgs("/x", c.major, &manifest.Cluster{Databases: c.databases})
		if !slices.Equal(got[len(got)-len(c.want):], c.want) || len(got) != 5+len(c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestLineCounter(t *testing.T) {
	for text, want := range map[string]int64{copyEnd: 0, "a\nb\n" + copyEnd: 2, "a\nb\n": -1, "": -1, "\\.\n\n\nx": -1} {
		for _, size := range []int{1, 3, 100} {
			l := lineCounter{progress: new(progress)}
			for part := range slices.Chunk([]byte(text), size) {
				_, _ = l.Write(part)
			}
			got, err := l.rows()
			if err != nil {
				got = -1
			}
			if got != want {
				t.Errorf("%q in parts of %d: %d rows (%v), want %d", text, size, got, err, want)
			}
		}
	}
}

func TestReportIsWholeOrOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	r := newReport("read")
	r.end()
	for range 2 {
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if text, err := os.ReadFile(path); err != nil || !bytes.Contains(text, []byte(`"passed": true`)) || len(entries) != 1 {
		t.Errorf("%s %v %v", text, err, entries)
	}
	if err := r.write(filepath.Join(path, "below")); err == nil || !strings.Contains(err.Error(), `option "report"`) {
		t.Error(err)
	}
}

// A directory of a proof that is gone is removed, one that is held or kept is not.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	dir := func(name string) string { return filepath.Join(parent, prefix+name) }
	for _, path := range []string{dir("gone") + "/data/base", dir("held"), dir("kept"), dir("b" + unlocked), filepath.Join(parent, "other")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir("kept"), keptName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := lock(dir("held"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	p := place{parent: parent}
	p.user.UID = os.Geteuid()
	p.sweep()
	var left []string
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"other", prefix + "b" + unlocked, prefix + "held", prefix + "kept"}; !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
}

func TestRecordsEndWithTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Nanosecond, errTimeout)
	defer cancel()
	<-ctx.Done()
	if _, err := (&limitedReader{ctx, strings.NewReader("x")}).Read(make([]byte, 1)); err != errTimeout { //nolint:errorlint // the very one
		t.Error(err)
	}
}

func TestWithoutAdvice(t *testing.T) {
	err := errors.New("restoring \"x\": no space left on device\nhint: /x cannot be started; empty it before you restore again")
	if got := withoutAdvice(err).Error(); got != `restoring "x": no space left on device` {
		t.Error(got)
	}
	if withoutAdvice(nil) != nil || withoutAdvice(errTimeout) != errTimeout { //nolint:errorlint // the very one
		t.Error("another error is changed")
	}
}

func TestSizes(t *testing.T) {
	var s sizes
	size := int64(7)
	s.File(backupmanifest.File{Size: &size})
	s.WALRanges([]backupmanifest.WALRange{{Timeline: 1, Start: "1/FF000000", End: "2/1000000"}})
	if want := uint64(7 + 32<<20 + 32<<20); s.bytes != want {
		t.Errorf("%d bytes, want %d", s.bytes, want)
	}
}

func TestMissingLibrary(t *testing.T) {
	for text, want := range map[string]string{
		`FATAL: could not access file "pg_cron": No such file or directory`:                        "pg_cron",
		`FATAL: could not access file "$libdir/x": No such file or directory`:                      "x",
		`FATAL: could not load library "/usr/lib/y.so": libz.so.1: cannot open shared object file`: "y",
	} {
		if match := missingLibrary.FindStringSubmatch(text); match == nil || libraryName(match[1]) != want {
			t.Errorf("%s: %q, want %s", text, match, want)
		}
	}
	if hint := packageHint("pg_cron", 17); hint != " (Debian, Ubuntu: postgresql-17-cron)" {
		t.Error(hint)
	}
}

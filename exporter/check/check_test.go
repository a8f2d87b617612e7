package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
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

// A base backup that waits is ours, is no other's meanwhile, and stays where sweep removes.
func TestPrepared(t *testing.T) {
	p := place{parent: t.TempDir()}
	p.user.UID = os.Geteuid()
	find := func(want string) *os.File {
		t.Helper()
		b, held, err := p.findPrepared()
		if err != nil && (want == "" || !strings.Contains(err.Error(), want)) || err == nil && want != "" {
			t.Errorf("%v does not say %q", err, want)
		}
		if (b == nil) != (held == nil) || b != nil && b.Major != 17 {
			t.Errorf("%+v %v", b, held)
		}
		return held
	}
	if find("") != nil {
		t.Error("there is one")
	}
	if err := os.Mkdir(p.preparedDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	find("it is not one that prepare=true made")
	marker := filepath.Join(p.preparedDir(), markerName)
	for text, want := range map[string]string{"{": "unexpected end", `{"version":2}`: "only version 1 is understood"} {
		if err := os.WriteFile(marker, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		find(want)
	}
	if err := os.WriteFile(marker, []byte(`{"version":1,"major":17}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.sweep()
	held := find("")
	find("another check has it")
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	p.user.UID++
	find("it belongs to another user")
}

// A dump is there when it is whole, and never takes another file's place.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dump")
	for _, r := range []io.Reader{iotest.ErrReader(errTimeout), io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errTimeout))} {
		if _, err := save(path, r); err == nil {
			t.Error("half a dump is saved")
		}
	}
	if size, err := save(path, strings.NewReader("whole")); size != 5 || err != nil {
		t.Error(size, err)
	}
	if _, err := save(path, strings.NewReader("other")); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	info, err := os.Stat(path)
	entries, _ := os.ReadDir(dir)
	if text, _ := os.ReadFile(path); string(text) != "whole" || err != nil || info.Mode() != 0o600 || len(entries) != 1 {
		t.Errorf("%q %v %v %v", text, info, err, entries)
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

// A snapshot's WAL ends with a record, or with a page in the middle of one.
func TestMissing(t *testing.T) {
	const size = 1 << 24
	for _, c := range []struct {
		reached, end wal.LSN
		fine         bool
	}{
		{0x2000028, 0, true}, {0x2000028, 0x2000028, true}, {0x2000128, 0x2000028, true}, {0x2000028, 0x2000030, false},
		{0x2001f00, 0x2002000, true}, {0x2000000, 0x3000000, true}, {0x1fffff8, 0x3000000, false},
	} {
		if err := missing(c.reached, c.end, size); (err == nil) != c.fine {
			t.Errorf("%s of %s: %v", c.reached, c.end, err)
		}
	}
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string][2]string{
		"/PG_VERSION": {kindPhysical, kindPhysical}, "/00000-cluster.json": {kindLogical, kindLogical}, "/00001-a.dump": {kindLogical, kindLogical},
		"/format": {kindWAL, kindWAL}, "/000000010000000000000002": {kindWAL, kindWAL}, "/00000002.history": {kindWAL, kindWAL},
		"/home": {kindPhysical, kindWAL},
	} {
		if got := [2]string{kindOf(name, false), kindOf(name, true)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
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

// Files of relations that end early, or are missing.
func TestFiles(t *testing.T) {
	const page, segment = 8, 16
	root := fstest.MapFS{}
	for name, size := range map[string]int{
		"base/1/10": segment, "base/1/10.1": page, "base/1/10_fsm": 3 * page, "base/1/11": page, "base/1/11.1": 0, "base/1/12": page, "base/1/12.1": page,
		"base/1/13": segment, "base/1/13.2": page, "base/1/14.1": page, "base/1/15": 0, "base/1/16": segment, "base/1/16.x": page, "base/1/16.99999": page,
	} {
		root[name] = &fstest.MapFile{Data: make([]byte, size)}
	}
	f := files{root: root, limits: limits{pageSize: page, segmentSize: segment}, known: make(map[string]map[string]segments)}
	for name, want := range map[string]string{
		"10": "3", "11": "1", "15": "0", "16": "2", "12": "the file base/1/12 of t is missing or not full", "13": "the file base/1/13.1 of t is missing or not full",
		"14": "the file base/1/14 of t is missing", "17": "the file base/1/17 of t is missing",
	} {
		pages, problem, err := f.look(storage{name: "t", path: "base/1/" + name})
		got := problem
		if problem == "" {
			got = strconv.FormatInt(pages, 10)
		}
		if err != nil || !strings.HasPrefix(got, want) || problem == "" && got != want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, want)
		}
	}
}

// Of an extension's table a dump has those rows only that the extension names.
func TestCompareExtensionTable(t *testing.T) {
	r := relation{"public", "spatial_ref_sys"}
	l := &logicalWay{check: &check{report: newReport("read")}, expected: map[string]*contents{"shop": {rows: map[relation]int64{r: 1}}}}
	found := newContent(nil)
	found.rows[r], found.whole[r] = 1, 8500
	if err := l.compare(t.Context(), "shop", found, &Database{Name: "shop"}); err != nil {
		t.Error(err)
	}
	if n, read := found.count(r); n != 8500 || !read {
		t.Errorf("%d rows, %v", n, read)
	}
	found.rows[r] = 0
	if err := l.compare(t.Context(), "shop", found, &Database{Name: "shop"}); err == nil {
		t.Error("a missing row was not found")
	}
}

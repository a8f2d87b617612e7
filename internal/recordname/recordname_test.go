package recordname

import (
	"path"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDump(t *testing.T) {
	for name, want := range map[string]string{
		"shop":           "/00007-shop.dump",
		"a b=c'\"":       "/00007-a b=c'\".dump",
		"-dash":          "/00007--dash.dump",
		"a/b":            "/00007-a%2Fb.dump",
		"..":             "/00007-%2E..dump",
		"100%":           "/00007-100%25.dump",
		"two\nlines":     "/00007-two%0Alines.dump",
		"postgres://x":   "/00007-postgres:%2F%2Fx.dump",
		"données":        "/00007-données.dump",
		"\xff":           "/00007-%FF.dump",
		"back\\slash":    "/00007-back%5Cslash.dump",
		"x.dump":         "/00007-x.dump.dump",
		"bell\x07\u0085": "/00007-bell%07%C2%85.dump",
	} {
		if got := Dump(7, name); got != want {
			t.Errorf("Dump(7, %q) = %q, want %q", name, got, want)
		}
		if got, ok := Database(want); !ok || got != name {
			t.Errorf("Database(%q) = %q, %v; want %q", want, got, ok, name)
		}
	}
}

func TestDatabaseRefuses(t *testing.T) {
	for _, pathname := range []string{
		"/manifest.json", Globals, "/PG_VERSION", "/00001-.dump", "/00000-x.dump", "/1-x.dump",
		"/-00001-x.dump", "/00001-a%2fb.dump", "/00001-%41.dump", "/00001-%zz.dump", "/00001-x.sql", "/00001x.dump",
	} {
		if name, ok := Database(pathname); ok {
			t.Errorf("Database(%q) = %q, want no database", pathname, name)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{"shop", "a/b", "..", "%2F", "\x00", "\xc3\x28", strings.Repeat("é", 31)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			t.Skip("PostgreSQL has no database without a name")
		}
		file := Dump(1, name)
		if path.Dir(file) != "/" || path.Clean(file) != file || !utf8.ValidString(file) {
			t.Fatalf("Dump(%q) = %q leaves the directory or is not UTF-8", name, file)
		}
		if got, ok := Database(file); !ok || got != name {
			t.Fatalf("Database(%q) = %q, %v; want %q", file, got, ok, name)
		}
	})
}

// FuzzDatabase: whatever a file in a snapshot is called, it is of no database, or it is
// what Dump calls that database's.
func FuzzDatabase(f *testing.F) {
	for _, seed := range []string{Dump(1, "shop"), Dump(100000, "a/b"), Globals, Manifest, "/00001-%2F.dump", "/00001-%2f.dump"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pathname string) {
		name, ok := Database(pathname)
		if !ok {
			return
		}
		number, _, _ := strings.Cut(path.Base(pathname), "-")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("Database(%q) = %q, and its number is none: %v", pathname, name, err)
		}
		// More zeros than Dump writes are allowed.
		if got := strings.TrimLeft(Dump(n, name), "/0"); got != strings.TrimLeft(path.Base(pathname), "0") {
			t.Errorf("Database(%q) = %q, whose dump is called %q", pathname, name, got)
		}
	})
}

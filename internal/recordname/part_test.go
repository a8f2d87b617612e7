package recordname

import (
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTableFile(t *testing.T) {
	const dir = "/00007-shop"
	for want, name := range map[string][2]string{
		"public.orders.dump":      {"public", "orders"},
		"a%2Eb.c.dump":            {"a.b", "c"},
		"a.b%2Ec.dump":            {"a", "b.c"},
		"%2E%2E.%2F%25.dump":      {"..", "/%"},
		"-x.Two%0ALines.dump":     {"-x", "Two\nLines"},
		"%300001-x.y.dump":        {"00001-x", "y"},
		"others.dump%2Edump.dump": {"others", "dump.dump"},
		"1-pre-data.dump.dump":    {"1-pre-data", "dump"},
		"données.c'\" $(x)—.dump": {"données", "c'\" $(x)—"},
	} {
		got, ok := TableFile(dir, name[0], name[1])
		if !ok || got != dir+"/2-data/"+want {
			t.Errorf("TableFile(%q) = %q, %v; want %q", name, got, ok, want)
		}
		part := Part{Section: Data, Directory: dir, Database: "shop", Schema: name[0], Table: name[1]}
		if diff := cmp.Diff(part, mustParse(t, got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", got, diff)
		}
		// plakar leaves out the directories above what it was asked for.
		part.Directory, part.Database = "/", ""
		for _, stripped := range []string{"/2-data/" + want, "/" + want} {
			if diff := cmp.Diff(part, mustParse(t, stripped)); diff != "" {
				t.Errorf("%s: -want +got\n%s", stripped, diff)
			}
		}
	}
	if name, ok := TableFile(dir, strings.Repeat("/", 63), strings.Repeat("/", 63)); ok {
		t.Errorf("%d bytes are not too long for a name", len(path.Base(name)))
	}
}

func mustParse(t *testing.T, pathname string) Part {
	t.Helper()
	part, ok := ParsePart(pathname)
	if !ok {
		t.Errorf("%s is not taken for a part", pathname)
	}
	return part
}

func TestParts(t *testing.T) {
	dir := Directory(3, "x.dump")
	table, _ := TableFile(dir, "s", "t")
	inOrder := []string{PreDataFile(dir), OthersFile(dir), table, PostDataFile(dir)}
	if !slices.IsSorted(inOrder) {
		t.Errorf("they do not sort in the order of a restore: %q", inOrder)
	}
	for i, section := range []Section{PreData, Data, Data, PostData} {
		p := mustParse(t, inOrder[i])
		if p.Section != section || p.Database != "x.dump" || p.Directory != dir {
			t.Errorf("%s: %+v", inOrder[i], p)
		}
		if _, ok := Database(inOrder[i]); ok {
			t.Errorf("%s is taken for a whole dump", inOrder[i])
		}
	}
	for _, pathname := range []string{Manifest, Globals, "/00001-x.dump", "/00001-x/2-data/x.dump", "/00001-x/other/s.t.dump", "/s.dump", "/a.b.c.dump", "/%61.b.dump"} {
		if p, ok := ParsePart(pathname); ok {
			t.Errorf("%s is taken for a part: %+v", pathname, p)
		}
	}
}

func FuzzTable(f *testing.F) {
	for _, seed := range [][2]string{{"public", "orders"}, {"a.b", "c"}, {"00001-a", "b"}, {"\xff", "%2E"}, {"..", "2-data"}, {"others", "dump"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, schema, table string) {
		if schema == "" || table == "" {
			t.Skip("PostgreSQL has no such names")
		}
		file, _ := TableFile("/00001-x", schema, table)
		if path.Dir(file) != "/00001-x/2-data" || path.Clean(file) != file || !utf8.ValidString(file) {
			t.Fatalf("TableFile(%q, %q) = %q leaves the directory or is not UTF-8", schema, table, file)
		}
		for _, pathname := range []string{file, "/" + path.Base(file)} {
			if name, ok := Database(pathname); ok {
				t.Fatalf("%s is taken for the dump of database %q", pathname, name)
			}
			if p, ok := ParsePart(pathname); !ok || p.Schema != schema || p.Table != table {
				t.Fatalf("%s is parsed as %+v, want %q.%q", pathname, p, schema, table)
			}
		}
	})
}

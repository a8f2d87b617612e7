package logical

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

func TestLargest(t *testing.T) {
	long := strings.Repeat("/", 63)
	all := []table{
		{schema: "s", name: "small", standalone: true, size: 9},
		{schema: "s", name: "limit", standalone: true, size: 10},
		{schema: "s", name: "extension's", size: 50},
		{schema: "s", name: "huge", standalone: true, size: 40},
		{schema: long, name: long, standalone: true, size: 30},
	}
	chosen := largest(all, "/00001-x", 10)
	var names []string
	for _, c := range chosen {
		names = append(names, c.name)
	}
	if diff := cmp.Diff([]string{"huge", "limit"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	many := slices.Repeat(all[:1], maxFiles+7)
	if chosen = largest(many, "/00001-x", 0); len(chosen) != maxFiles {
		t.Errorf("%d tables", len(chosen))
	}
}

func TestPlanOfParts(t *testing.T) {
	p := plan{globals: true, dumps: []dump{
		{path: "/00001-a.dump", database: "a"},
		{path: "/00002-b", database: "b", tables: []table{{schema: "s", name: "x", size: 20}, {schema: "s", name: `q"`, size: 10}}},
	}}
	want := []manifest.File{
		{Path: "/00000-cluster.json"},
		{Path: "/00000-globals.sql"},
		{Path: "/00001-a.dump", Database: "a"},
		{Path: "/00002-b/1-pre-data.dump", Database: "b"},
		{Path: "/00002-b/2-data/others.dump", Database: "b"},
		{Path: "/00002-b/2-data/s.q\".dump", Database: "b"},
		{Path: "/00002-b/2-data/s.x.dump", Database: "b"},
		{Path: "/00002-b/3-post-data.dump", Database: "b"},
	}
	if diff := cmp.Diff(want, p.files()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	var order []string
	for _, f := range p.dumps[1].files() {
		order = append(order, strings.TrimPrefix(f.path, "/00002-b/"))
	}
	if diff := cmp.Diff([]string{"1-pre-data.dump", "3-post-data.dump", "2-data/others.dump", "2-data/s.x.dump", `2-data/s.q".dump`}, order); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The file with the others lacks just what has a file of its own.
func TestPatterns(t *testing.T) {
	tables := []table{{oid: 1, schema: "s", name: "kept"}, {oid: 2, schema: "s", name: "sequence by now"}, {oid: 3, schema: "s", name: "extension's by now"}}
	s := snapshotSession{tables: map[string]bool{`"s"."kept"`: true, `"s"."extension's by now"`: false}}
	if diff := cmp.Diff([]string{`"s"."kept"`}, s.patterns(tables)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

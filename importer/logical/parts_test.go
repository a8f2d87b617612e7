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
		{schema: "s", name: "small", whole: true, size: 9},
		{schema: "s", name: "limit", whole: true, size: 10},
		{schema: "s", name: "extension's", size: 50},
		{schema: "s", name: "huge", whole: true, size: 40},
		{schema: long, name: long, whole: true, size: 30},
	}
	chosen, rest := largest(all, "/00001-x", 10)
	var names []string
	for _, c := range chosen {
		names = append(names, c.name)
	}
	if diff := cmp.Diff([]string{"huge", "limit"}, names); diff != "" || rest != 89 {
		t.Errorf("rest %d, -want +got\n%s", rest, diff)
	}
	many := slices.Repeat(all[:1], maxFiles+7)
	if chosen, rest = largest(many, "/00001-x", 0); len(chosen) != maxFiles || rest != 7*9 {
		t.Errorf("%d tables, rest %d", len(chosen), rest)
	}
}

func TestPlanOfParts(t *testing.T) {
	p := plan{globals: true, dumps: []dump{
		{path: "/00001-a.dump", database: "a"},
		{path: "/00002-b", database: "b", rest: 15, tables: []table{{schema: "s", name: "x", size: 20}, {schema: "s", name: `q"`, size: 10}}},
	}}
	want := []manifest.File{
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
	parts := p.dumps[1].parts()
	// The largest first: they take longest.
	if parts[0].table.name != "x" || parts[1].table != nil || parts[2].table.name != `q"` {
		t.Errorf("%+v", parts)
	}
	if diff := cmp.Diff([]string{`"s"."x"`, `"s"."q"""`}, parts[1].part.Without); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

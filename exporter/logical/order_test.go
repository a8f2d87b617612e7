package logical

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// Event triggers wait for the views, whatever pg_restore does at the same time.
func TestEventTriggersAfterViews(t *testing.T) {
	entries := []dumparchive.Entry{
		{DumpID: 1, Desc: eventTrigger, Tag: "log", Dependencies: []int{7}},
		{DumpID: 2, Desc: viewRows, Tag: "a"}, {DumpID: 3, Desc: viewRows, Tag: "b"},
	}
	for n, want := range [][]int{{7, 2, 3}, nil} {
		a := &archive{toc: &dumparchive.TOC{Entries: slices.Clone(entries[n:])}}
		if changed := eventTriggersAfterViews(a); changed != (want != nil) || !slices.Equal(a.toc.Entries[0].Dependencies, want) {
			t.Errorf("%v: %v", changed, a.toc.Entries[0].Dependencies)
		}
	}
	if list, _ := (&archive{toc: &dumparchive.TOC{Entries: entries}}).list(func(*dumparchive.Entry) bool { return true }); list != "2;\n3;\n1;\n" {
		t.Errorf("the list is %q", list)
	}
}

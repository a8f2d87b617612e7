package selection

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// A foreign key to a table without rows is left out, also where partitions make a circle.
func TestWholeWithoutRows(t *testing.T) {
	table := func(name string) dumparchive.Entry {
		return dumparchive.Entry{Desc: "TABLE", Namespace: "app", Tag: name, Section: dumparchive.SectionPreData}
	}
	attach := func(to, name string) dumparchive.Entry {
		return dumparchive.Entry{Desc: "TABLE ATTACH", Namespace: "app", Tag: name, Defn: "ALTER TABLE ONLY app." + to + " ATTACH PARTITION app." + name + " DEFAULT;"}
	}
	key := dumparchive.Entry{Desc: "FK CONSTRAINT", Namespace: "app", Tag: "own to_other", Defn: "ALTER TABLE ONLY app.own ADD CONSTRAINT to_other FOREIGN KEY (x) REFERENCES app.other(x);"}
	rows := func(name string) dumparchive.Entry {
		return dumparchive.Entry{Desc: "TABLE DATA", Namespace: "app", Tag: name, Section: dumparchive.SectionData}
	}
	entries := []dumparchive.Entry{table("own"), table("other"), table("part"), attach("other", "part"), attach("part", "other"), key}
	exists := func(o Object) bool { return o.Kind == "SCHEMA" }
	for name, c := range map[string]struct {
		rows    []dumparchive.Entry
		leftOut int
	}{
		"none": {nil, 0}, "its own": {[]dumparchive.Entry{rows("own")}, 1}, "a partition's": {[]dumparchive.Entry{rows("own"), rows("part")}, 0},
	} {
		toc := &dumparchive.TOC{Entries: append(append([]dumparchive.Entry{}, entries...), c.rows...)}
		for n := range toc.Entries {
			toc.Entries[n].DumpID = n + 1
		}
		if r, _ := Whole([]*dumparchive.TOC{toc}, exists); len(r.ForeignKeys) != c.leftOut {
			t.Errorf("rows: %s: left out %+v", name, r.ForeignKeys)
		}
	}
}

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
	there := func(o Object) bool { return o.Kind == "SCHEMA" || o.Name == "other" }
	parted := table("other")
	parted.Defn = "CREATE TABLE app.other (\n    x integer NOT NULL\n)\nPARTITION BY RANGE (x);\n"
	ofExtension := func(_, _ string) []string { return []string{"postgis"} }
	for name, c := range map[string]struct {
		entries []dumparchive.Entry
		rows    []dumparchive.Entry
		request Request
		leftOut int
	}{
		"none": {entries, nil, Request{}, 0}, "its own": {entries, []dumparchive.Entry{rows("own")}, Request{}, 1},
		"a partition's":           {entries, []dumparchive.Entry{rows("own"), rows("part")}, Request{}, 0},
		"no partitions":           {[]dumparchive.Entry{table("own"), parted, key}, []dumparchive.Entry{rows("own")}, Request{}, 0},
		"definitions alone":       {entries, []dumparchive.Entry{rows("own")}, Request{NoRows: true}, 0},
		"there":                   {entries, []dumparchive.Entry{rows("own")}, Request{Exists: there}, 0},
		"there, and emptied":      {entries, []dumparchive.Entry{rows("own")}, Request{Exists: there, Empties: true}, 1},
		"to an extension's table": {[]dumparchive.Entry{table("own"), key}, []dumparchive.Entry{rows("own")}, Request{MembersOf: ofExtension}, 0},
		"to one that is not here": {[]dumparchive.Entry{table("own"), key}, []dumparchive.Entry{rows("own")}, Request{}, 1},
	} {
		toc := &dumparchive.TOC{Entries: append(append([]dumparchive.Entry{}, c.entries...), c.rows...)}
		for n := range toc.Entries {
			toc.Entries[n].DumpID = n + 1
		}
		if c.request.Exists == nil {
			c.request.Exists = exists
		}
		if r, _ := Whole([]*dumparchive.TOC{toc}, c.request); len(r.ForeignKeys) != c.leftOut {
			t.Errorf("rows: %s: left out %+v", name, r.ForeignKeys)
		}
	}
}

// A key to rows that were left out goes where both tables are chosen, too.
func TestSelectWithoutRows(t *testing.T) {
	toc := &dumparchive.TOC{Entries: []dumparchive.Entry{
		{DumpID: 1, Desc: "TABLE", Namespace: "app", Tag: "own", Section: dumparchive.SectionPreData},
		{DumpID: 2, Desc: "TABLE", Namespace: "app", Tag: "other", Section: dumparchive.SectionPreData},
		{DumpID: 3, Desc: "TABLE DATA", Namespace: "app", Tag: "own", Section: dumparchive.SectionData, Dependencies: []int{1}},
		{DumpID: 4, Desc: "FK CONSTRAINT", Namespace: "app", Tag: "own to_other", Section: dumparchive.SectionPostData, Dependencies: []int{1, 2},
			Defn: "ALTER TABLE ONLY app.own ADD CONSTRAINT to_other FOREIGN KEY (x) REFERENCES app.other(x);"},
	}}
	for _, noRows := range []bool{false, true} {
		r, err := Select([]*dumparchive.TOC{toc}, Request{Schemas: []string{"app"}, Exists: func(o Object) bool { return o.Kind == "SCHEMA" }, NoRows: noRows})
		if err != nil || (len(r.ForeignKeys) == 0) != noRows {
			t.Errorf("no rows: %v: left out %+v, %v", noRows, r.ForeignKeys, err)
		}
	}
}

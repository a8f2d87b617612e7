package selection

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// archive returns one of ../testdata.
func archive(tb testing.TB, name string) *dumparchive.TOC {
	tb.Helper()
	content, err := os.ReadFile("../testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	toc, err := dumparchive.ReadTOC(bytes.NewReader(content))
	if err != nil {
		tb.Fatal(err)
	}
	return toc
}

func selected(tb testing.TB, toc *dumparchive.TOC, request Request) (*Result, []string) {
	tb.Helper()
	r, err := Select([]*dumparchive.TOC{toc}, request)
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	last := -1
	for _, id := range r.Lists[0] {
		e := toc.ByID(id)
		n, _ := toc.Index(id)
		if n <= last {
			tb.Errorf("entry %d is not in the order of the archive", id)
		}
		last = n
		lines = append(lines, strings.ReplaceAll(strings.TrimPrefix(e.Desc+" "+e.Namespace+"."+e.Tag, "."), "\n", "~"))
	}
	return r, lines
}

func has(objects ...Object) func(Object) bool {
	return func(o Object) bool { return slices.Contains(objects, o) }
}

var public = Object{Kind: "SCHEMA", Name: "public"}

func TestSelect(t *testing.T) {
	table := Object{"TABLE", `Sch"ema`, "new\nline"}
	for _, version := range []string{"v15.dump", "v17-pipe.dump", "v18.dump"} {
		toc := archive(t, version)

		r, got := selected(t, toc, Request{Tables: []string{"child"}, Exists: has(public)})
		want := []string{
			"FUNCTION public.touch()", "TABLE public.child", "COMMENT public.TABLE child", "ACL public.COLUMN child.id",
			"TABLE DATA public.child", "TRIGGER public.child touch",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", version, diff)
		}
		wantResult := &Result{
			Lists: r.Lists, Chosen: []Object{{"TABLE", "public", "child"}}, Needed: []Object{{"FUNCTION", "public", "touch()"}},
			ForeignKeys:  []ForeignKey{{"child_id_fkey", Object{"TABLE", "public", "child"}, table}},
			LargeObjects: true,
		}
		if diff := cmp.Diff(wantResult, r); diff != "" {
			t.Errorf("%s: -want +got\n%s", version, diff)
		}

		// With the table it refers to: on the target, or chosen.
		r, got = selected(t, toc, Request{Tables: []string{"child"}, Exists: has(public, table, Object{"FUNCTION", "public", "touch()"})})
		want = append(slices.Clone(want[1:]), "FK CONSTRAINT public.child child_id_fkey")
		if diff := cmp.Diff(want, got); diff != "" || len(r.ForeignKeys)+len(r.Needed)+len(r.MissingSchemas) > 0 {
			t.Errorf("%s: -want +got\n%s\n%+v", version, diff, r)
		}
		r, got = selected(t, toc, Request{Tables: []string{`"Sch""ema"."new` + "\nline\"", "public.CHILD"}})
		want = []string{
			`SCHEMA .Sch"ema`, `TYPE Sch"ema.mood`, "FUNCTION public.touch()", `TABLE Sch"ema.new~line`, `SEQUENCE Sch"ema.new~line_id_seq`,
			`SEQUENCE OWNED BY Sch"ema.new~line_id_seq`, "TABLE public.child", "COMMENT public.TABLE child", "ACL public.COLUMN child.id",
			`DEFAULT Sch"ema.new~line id`, `TABLE DATA Sch"ema.new~line`, "TABLE DATA public.child", `SEQUENCE SET Sch"ema.new~line_id_seq`,
			`CONSTRAINT Sch"ema.new~line new~line_pkey`, "TRIGGER public.child touch", "FK CONSTRAINT public.child child_id_fkey",
		}
		if diff := cmp.Diff(want, got); diff != "" || len(r.ForeignKeys) > 0 || !slices.Equal(r.MissingSchemas, []string{"public"}) {
			t.Errorf("%s: -want +got\n%s\n%+v", version, diff, r)
		}

		// The partitions of a table; the tables of views.
		_, got = selected(t, toc, Request{Tables: []string{"part"}})
		want = []string{
			"TABLE public.part", "TABLE public.part_1", "TABLE ATTACH public.part_1", "TABLE DATA public.part_1", "INDEX public.part_v",
			"INDEX public.part_1_v_idx", "INDEX ATTACH public.part_1_v_idx",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", version, diff)
		}
		r, got = selected(t, toc, Request{Tables: []string{"counted"}})
		want = []string{"TABLE public.part", "MATERIALIZED VIEW public.counted", "INDEX public.part_v", "MATERIALIZED VIEW DATA public.counted"}
		if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(r.Unfilled, []Object{{"MATERIALIZED VIEW", "public", "counted"}}) {
			t.Errorf("%s: -want +got\n%s\n%+v", version, diff, r)
		}
	}
}

// A partition of a table that the target has gets the indexes of it when it is attached.
func TestSelectPartition(t *testing.T) {
	parent := Object{"TABLE", "public", "part"}
	_, got := selected(t, archive(t, "v17.dump"), Request{Tables: []string{"part_1"}, Exists: has(parent)})
	want := []string{"TABLE public.part_1", "TABLE ATTACH public.part_1", "TABLE DATA public.part_1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// Both are chosen and there: for a restore that drops them first.
	r, got := selected(t, archive(t, "v17.dump"), Request{
		Tables: []string{"part"}, Exists: has(parent, Object{"TABLE", "public", "part_1"}), Clean: true,
	})
	if len(got) != 7 || len(r.Existing) != 2 {
		t.Errorf("%q, %+v", got, r)
	}
	r, got = selected(t, archive(t, "v17.dump"), Request{Tables: []string{"part_1"}})
	if len(got) != 7 || !slices.Equal(r.Needed, []Object{parent}) {
		t.Errorf("%q, %+v", got, r)
	}
}

// A sequence of a column cannot do without its table.
func TestSelectOwnedSequence(t *testing.T) {
	r, got := selected(t, archive(t, "v15.dump"), Request{Tables: []string{"*.\"new\nline_id_seq\""}})
	table, sequence := Object{"TABLE", `Sch"ema`, "new\nline"}, Object{"SEQUENCE", `Sch"ema`, "new\nline_id_seq"}
	if !slices.Equal(r.Chosen, []Object{sequence}) || !slices.Contains(r.Needed, table) ||
		!slices.Contains(got, `SEQUENCE SET Sch"ema.new~line_id_seq`) || slices.Contains(got, `TABLE DATA Sch"ema.new~line`) {
		t.Errorf("%q, %+v", got, r)
	}
	// With its table it is not told apart.
	if r, _ = selected(t, archive(t, "v15.dump"), Request{Tables: []string{"new*"}}); !slices.Equal(r.Chosen, []Object{table}) {
		t.Errorf("%+v", r)
	}
}

// An archive of pg_dump -t has no schemas; one of a table's rows has nothing else.
func TestSelectFromPart(t *testing.T) {
	toc := archive(t, "v18.dump")
	for n := range toc.Entries {
		if e := &toc.Entries[n]; e.Desc == "SCHEMA" {
			e.Desc = "none"
		}
	}
	r, _ := selected(t, toc, Request{Tables: []string{"seen"}, Exists: has(public)})
	if !slices.Equal(r.MissingSchemas, []string{`Sch"ema`}) {
		t.Errorf("%+v", r)
	}
	rows := archiveOf(t, dumparchive.Entry{Desc: "TABLE DATA", Namespace: "s", Tag: "t", Section: dumparchive.SectionData, Dependencies: []int{7}})
	r, got := selected(t, rows, Request{Tables: []string{"s.t"}})
	if !slices.Equal(r.Chosen, []Object{{"TABLE", "s", "t"}}) || len(got) != 1 {
		t.Errorf("%q, %+v", got, r)
	}
}

// Before version 1.13 names were without a schema: that of the entry is meant.
func TestSelectWithoutSchemas(t *testing.T) {
	toc := archiveOf(t,
		dumparchive.Entry{Desc: "TABLE", Namespace: "s", Tag: "t", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE", Namespace: "public", Tag: "t", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE", Namespace: "s", Tag: "u", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "FUNCTION", Namespace: "s", Tag: "f()", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "INDEX", Namespace: "s", Tag: "i", Defn: "CREATE INDEX i ON t USING btree (x);", Dependencies: []int{1}},
		dumparchive.Entry{Desc: "TRIGGER", Namespace: "s", Tag: "t x", Defn: "CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE PROCEDURE f();", Dependencies: []int{1, 4}},
		dumparchive.Entry{Desc: "FK CONSTRAINT", Namespace: "s", Tag: "t k", Defn: "ALTER TABLE ONLY t\n    ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES u(x);", Dependencies: []int{1, 3}},
	)
	r, got := selected(t, toc, Request{Tables: []string{"s.t"}, Exists: has(Object{Kind: "SCHEMA", Name: "s"})})
	want := []string{"TABLE s.t", "FUNCTION s.f()", "INDEX s.i", "TRIGGER s.t x"}
	if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(r.ForeignKeys, []ForeignKey{{"k", Object{"TABLE", "s", "t"}, Object{"TABLE", "s", "u"}}}) {
		t.Errorf("-want +got\n%s\n%+v", diff, r)
	}
}

func TestSelectSchema(t *testing.T) {
	toc := archive(t, "v18.dump")
	touch := Object{"FUNCTION", "public", "touch()"}
	r, got := selected(t, toc, Request{Schemas: []string{"public"}, Exists: has(public, touch, Object{"TABLE", "public", "part"})})
	for _, want := range []string{"TABLE public.part", "VIEW public.seen", "ACL public.TABLE seen", `TABLE Sch"ema.new~line`, "MATERIALIZED VIEW DATA public.counted"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %q", want, got)
		}
	}
	if slices.Contains(got, "FUNCTION public.touch()") || slices.Contains(got, `TABLE DATA Sch"ema.new~line`) {
		t.Errorf("too much: %q", got)
	}
	if !slices.Equal(r.Existing, []Object{{"TABLE", "public", "part"}}) || len(r.ForeignKeys) != 1 || len(r.Unfilled) > 0 {
		t.Errorf("%+v", r)
	}
	_, got = selected(t, toc, Request{Schemas: []string{"publi?"}, Exists: has(public, touch), Clean: true})
	if !slices.Contains(got, "FUNCTION public.touch()") {
		t.Errorf("a function that is to be replaced is not in %q", got)
	}
	_, got = selected(t, toc, Request{Schemas: []string{`"Sch""ema"`}, Exists: has(Object{Kind: "SCHEMA", Name: `Sch"ema`})})
	if slices.Contains(got, `SCHEMA .Sch"ema`) || !slices.Contains(got, `TYPE Sch"ema.mood`) {
		t.Errorf("a schema that is there: %q", got)
	}
}

// A dump of a part: what it refers to and lacks is left out, unless the target has it.
func TestWhole(t *testing.T) {
	part := archiveOf(t,
		dumparchive.Entry{Desc: "SCHEMA", Tag: "public", Defn: "CREATE SCHEMA public;", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE", Namespace: "app", Tag: "t", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE ATTACH", Namespace: "app", Tag: "t", Defn: "ALTER TABLE ONLY app.p ATTACH PARTITION app.t DEFAULT;", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE DATA", Namespace: "made by an extension", Tag: "config", Section: dumparchive.SectionData},
		dumparchive.Entry{Desc: "FK CONSTRAINT", Namespace: "app", Tag: "t k", Defn: "ALTER TABLE ONLY app.t ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES app.o(x);", Section: dumparchive.SectionPostData},
		dumparchive.Entry{Desc: "COMMENT", Namespace: "app", Tag: "CONSTRAINT k ON t", Dependencies: []int{5}},
		dumparchive.Entry{Desc: "PUBLICATION TABLE", Namespace: "app", Tag: "f t", Defn: "ALTER PUBLICATION f ADD TABLE ONLY app.t;", Section: dumparchive.SectionPostData},
	)
	r, complete := Whole([]*dumparchive.TOC{part}, Request{Exists: has(public)})
	if complete || !slices.Equal(r.Lists[0], []int{2, 4}) || !slices.Equal(r.MissingSchemas, []string{"app"}) || len(r.ForeignKeys) != 1 || len(r.Detached) != 1 || len(r.Memberships) != 1 {
		t.Errorf("%+v, %v", r, complete)
	}
	there := has(Object{"SCHEMA", "", "app"}, Object{"TABLE", "app", "p"}, Object{"TABLE", "app", "o"}, Object{"PUBLICATION", "", "f"})
	if r, complete = Whole([]*dumparchive.TOC{part}, Request{Exists: there}); !complete || len(r.Lists[0]) != 7 {
		t.Errorf("%+v, %v", r, complete)
	}
	for _, version := range []string{"v15.dump", "v17.dump", "v18.dump"} {
		if r, complete := Whole([]*dumparchive.TOC{archive(t, version)}, Request{Exists: has(public)}); !complete {
			t.Errorf("%s is a dump of all: %+v", version, r)
		}
	}
}

// pg_dump --table --extension does not write the schema that has the extension's objects.
func TestMissingSchemaOfExtension(t *testing.T) {
	part := archiveOf(t,
		dumparchive.Entry{Desc: "EXTENSION", Tag: "citext", Defn: "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA \"Ext\";", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE", Namespace: "app", Tag: "t", Defn: "CREATE TABLE app.t (x \"Ext\".citext);", Section: dumparchive.SectionPreData, Dependencies: []int{1}},
	)
	want := []string{"Ext", "app"}
	if r, complete := Whole([]*dumparchive.TOC{part}, Request{Exists: has(public)}); complete || !slices.Equal(r.MissingSchemas, want) {
		t.Errorf("the whole archive: %+v, %v", r, complete)
	}
	if r, _ := selected(t, part, Request{Tables: []string{"t"}, Exists: has(public)}); !slices.Equal(r.MissingSchemas, want) {
		t.Errorf("a table: %+v", r)
	}
	there := has(Object{Kind: "EXTENSION", Name: "citext"}, Object{Kind: "SCHEMA", Name: "app"})
	if r, _ := selected(t, part, Request{Tables: []string{"t"}, Exists: there}); len(r.MissingSchemas) > 0 {
		t.Errorf("an extension that is there: %+v", r)
	}
}

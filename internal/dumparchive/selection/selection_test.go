package selection

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// archive returns one of ../testdata.
func archive(tb testing.TB, name string) *dumparchive.TOC {
	tb.Helper()
	f, err := os.Open("../testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	toc, err := dumparchive.ReadTOC(f)
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
	r, got := selected(t, archive(t, "v17.dump"), Request{Tables: []string{"part_1"}})
	if len(got) != 7 || !slices.Equal(r.Needed, []Object{parent}) {
		t.Errorf("%q, %+v", got, r)
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

func TestUnmatched(t *testing.T) {
	r, got := selected(t, archive(t, "v15.dump"), Request{Tables: []string{"nosuch", "sch*.seen", "SEEN"}, Schemas: []string{"no*"}})
	if !slices.Equal(r.Unmatched, []string{"no*", "nosuch", "sch*.seen"}) || !slices.Contains(got, "VIEW public.seen") {
		t.Errorf("%+v, %q", r, got)
	}
	for pattern, want := range map[string]string{
		"a.b.c": "too many dots", `"a`: "double quote", "": "empty name", "a.": "empty name", "a(": "not a valid pattern",
	} {
		_, err := Select(nil, Request{Tables: []string{pattern}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", pattern, err, want)
		}
	}
	if _, err := Select(nil, Request{Schemas: []string{"a.b"}}); err == nil {
		t.Error("a schema with a dot: no error")
	}
}

// As psql's manual says of patterns.
func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, schema, name string
		want                  bool
	}{
		{"orders", "any", "orders", true},
		{"ORDERS", "any", "orders", true},
		{`"ORDERS"`, "any", "orders", false},
		{`FOO"""BAR"""`, "any", `foo"BAR"`, true},
		{"app.ord*", "app", "orders", true},
		{"app.ord*", "app2", "orders", false},
		{"a?p.o?", "app", "oo", true},
		{"a?p.o?", "app", "ooo", false},
		{`"a?p".x`, "app", "x", false},
		{`"a.b".x`, "a.b", "x", true},
		{"t_[0-9]", "any", "t_7", true},
		{"t$", "any", "t$", true},
		{"a|b", "any", "b", true},
		{"*", "any", "new\nline", true},
		{`"it's"`, "any", "it's", true},
		{"größe", "any", "größe", true},
	} {
		p, err := parsePattern(test.pattern, true)
		if err != nil || p.matches(test.schema, test.name) != test.want {
			t.Errorf("%s for %s.%s: %t, %v", test.pattern, test.schema, test.name, !test.want, err)
		}
	}
}

// archiveOf returns an archive with the given entries, each in one schema.
func archiveOf(tb testing.TB, entries ...dumparchive.Entry) *dumparchive.TOC {
	tb.Helper()
	toc := archive(tb, "v18.dump")
	toc.Entries = entries
	for n := range entries {
		entries[n].DumpID = n + 1
		entries[n].OffsetState = dumparchive.OffsetNoData
	}
	var buf bytes.Buffer
	if _, err := toc.WriteTo(&buf); err != nil {
		tb.Fatal(err)
	}
	again, err := dumparchive.ReadTOC(&buf)
	if err != nil {
		tb.Fatal(err)
	}
	return again
}

// A hostile archive: circles of owners and of partitions, dependencies on itself.
func TestCircles(t *testing.T) {
	toc := archiveOf(t,
		dumparchive.Entry{Desc: "COMMENT", Namespace: "s", Tag: "a", Dependencies: []int{2}},
		dumparchive.Entry{Desc: "COMMENT", Namespace: "s", Tag: "b", Dependencies: []int{1, 99}},
		dumparchive.Entry{Desc: "TABLE", Namespace: "s", Tag: "t", Dependencies: []int{3, 4, 5, 1}},
		dumparchive.Entry{Desc: "TABLE ATTACH", Namespace: "s", Tag: "t", Defn: "ALTER TABLE ONLY s.u ATTACH PARTITION s.t"},
		dumparchive.Entry{Desc: "TABLE", Namespace: "s", Tag: "u"},
		dumparchive.Entry{Desc: "TABLE ATTACH", Namespace: "s", Tag: "u", Defn: "ALTER TABLE ONLY s.t ATTACH PARTITION s.u"},
		dumparchive.Entry{Desc: "INDEX ATTACH", Namespace: "s", Tag: "i"},
		dumparchive.Entry{Desc: "TRIGGER", Namespace: "s", Tag: "x", Defn: "ON"},
		dumparchive.Entry{Desc: "USER MAPPING"}, dumparchive.Entry{Desc: "ACL"}, dumparchive.Entry{Desc: "CONSTRAINT"},
	)
	for _, request := range []Request{{Tables: []string{"*"}}, {Schemas: []string{"*"}}} {
		r, err := Select([]*dumparchive.TOC{toc, toc}, request)
		if err != nil || len(r.Chosen) != 2 && len(r.Chosen) != 4 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// many returns an archive of n tables, each of which has what a table has, and refers to
// the next one.
func many(tb testing.TB, n int) *dumparchive.TOC {
	tb.Helper()
	entries := []dumparchive.Entry{{Desc: "SCHEMA", Tag: "s", Defn: "CREATE SCHEMA s;"}, {Desc: "FUNCTION", Namespace: "s", Tag: "f()", Dependencies: []int{1}}}
	for i := range n {
		id := len(entries) + 1
		table := fmt.Sprintf("t%d", i)
		add := func(desc, tag, defn string, dependencies ...int) {
			entries = append(entries, dumparchive.Entry{Desc: desc, Namespace: "s", Tag: tag, Defn: defn, Dependencies: dependencies})
		}
		add("TABLE", table, "CREATE TABLE s."+table+" (id int, next int);", 1)
		add("SEQUENCE", table+"_id_seq", "CREATE SEQUENCE s."+table+"_id_seq;", id, 1)
		add("DEFAULT", table+" id", "ALTER TABLE ONLY s."+table+" ALTER COLUMN id SET DEFAULT nextval('s."+table+"_id_seq');", id, id+1)
		add("ACL", "TABLE "+table, "GRANT SELECT ON TABLE s."+table+" TO x;", id)
		add("TABLE DATA", table, "", id)
		add("CONSTRAINT", table+" "+table+"_pkey", "ALTER TABLE ONLY s."+table+" ADD CONSTRAINT "+table+"_pkey PRIMARY KEY (id);", id)
		add("TRIGGER", table+" f", "CREATE TRIGGER f BEFORE INSERT ON s."+table+" FOR EACH ROW EXECUTE FUNCTION s.f();", id, 2)
		next := (i + 1) % n
		add("FK CONSTRAINT", table+" fk", fmt.Sprintf("ALTER TABLE ONLY s.%s ADD CONSTRAINT fk FOREIGN KEY (next) REFERENCES s.t%d(id);", table, next), id, 3+8*next)
	}
	return archiveOf(tb, entries...)
}

// The processor time grows with the archive, not with its square.
func TestLarge(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	measure := func(toc *dumparchive.TOC, request Request) time.Duration {
		best := time.Hour
		for range 3 {
			before := used()
			r, err := Select([]*dumparchive.TOC{toc}, request)
			if best = min(best, used()-before); err != nil || len(r.Lists[0]) == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		return best
	}
	small, large := many(t, 2_000), many(t, 20_000)
	for name, request := range map[string]Request{
		"one table": {Tables: []string{"s.t7"}}, "a schema": {Schemas: []string{"s"}}, "all by pattern": {Tables: []string{"t*"}},
	} {
		one, ten := measure(small, request), measure(large, request)
		t.Logf("%s: %v, %v", name, one, ten)
		if ten > 50*one {
			t.Errorf("%s: %v for ten times as many as took %v", name, ten, one)
		}
	}
}

// FuzzTokenize: whatever the SQL is, the end is reached, and nothing is invented.
func FuzzTokenize(f *testing.F) {
	f.Add(`CREATE TRIGGER "a""b" BEFORE UPDATE OF x ON s."T x" EXECUTE FUNCTION s.f('it''s', E'\'', $a$ON$a$)`)
	f.Add(`CREATE STATISTICS s.x ON (EXTRACT(year FROM d)) FROM "s"."t";`)
	f.Fuzz(func(t *testing.T, sql string) {
		size := 0
		for token := range tokens(sql) {
			size += len(token.text)
		}
		if size > len(sql) {
			t.Errorf("%q has too many tokens", sql)
		}
		qualifiedNames(sql, func(name) {})
	})
}

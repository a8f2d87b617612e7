package selection

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

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

// FuzzSelect: whatever the archive says, all of it is selected once, in its order.
func FuzzSelect(f *testing.F) {
	for _, name := range []string{"v15.dump", "v17-pipe.dump", "v18.dump"} {
		content, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		toc, err := dumparchive.ReadTOC(bytes.NewReader(content))
		if err != nil {
			return
		}
		for _, request := range []Request{{Tables: []string{"*"}}, {Schemas: []string{"*"}, Clean: true}} {
			selected(t, toc, request)
		}
	})
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

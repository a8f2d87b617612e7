package logical

import (
	"bytes"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

func TestRouteParts(t *testing.T) {
	for pathname, want := range map[string]struct {
		kind     kind
		database string
	}{
		"/00001-a%2Fb/1-pre-data.dump":     {section, "a/b"},
		"/00001-shop/2-data/others.dump":   {section, "shop"},
		"/00001-shop/2-data/s.t%2Eu.dump":  {section, "shop"},
		"/dir/00001-shop/3-post-data.dump": {section, "shop"},
		"/s.t.dump":                        {section, ""},
		"/00001-shop/s.t.dump":             {unknown, ""},
	} {
		if kind, database := route(pathname); kind != want.kind || database != want.database {
			t.Errorf("route(%q) = %v, %q", pathname, kind, database)
		}
	}
}

// One connection loads one table; what is small or needs a new password for each
// connection gets one as well.
func TestJobsForPart(t *testing.T) {
	files := tempfile.New(t.TempDir())
	defer func() { _ = files.Close() }()
	for _, c := range []struct {
		name string
		size int64
		want int
	}{
		{"1-pre-data.dump", smallDump, 1},
		{"2-data/s.t.dump", smallDump, 1},
		{"2-data/others.dump", smallDump - 1, 1},
		{"2-data/others.dump", smallDump, 3},
		{"3-post-data.dump", 1, 3},
	} {
		e := &Exporter{options: options.Export{Jobs: 3}}
		a := newArchive("x", bytes.NewReader(nil))
		if err := a.spool(files); err != nil {
			t.Fatal(err)
		}
		if err := a.file.Truncate(c.size); err != nil {
			t.Fatal(err)
		}
		p, _ := recordname.ParsePart("/00001-x/" + c.name)
		if got := e.jobsForPart(a, p); got != c.want {
			t.Errorf("%s of %d bytes: %d connections, want %d", c.name, c.size, got, c.want)
		}
	}
}

// A file without its directory tells which database it is of.
func TestIdentify(t *testing.T) {
	text := func(s string) string { return "\x00" + string(rune(len(s))) + "\x00\x00\x00" + s }
	number := "\x00\x05\x00\x00\x00"
	// Version 1.15 with its revision, sizes of integers and offsets, the format, no
	// compression, seven numbers of the time.
	head := "PGDMP\x01\x0f\x00\x04\x08\x01\x00"
	for range 7 {
		head += number
	}
	head += text("a/b \xff") + text("16.1")
	a := newArchive("", bytes.NewReader([]byte(head)))
	if err := a.identify("/s.t.dump"); err != nil || a.database != "a/b \xff" || a.origin != "16.1" {
		t.Errorf("%q, %q, %v", a.database, a.origin, err)
	}
	// What was read to learn it is still there.
	_, content := a.open()
	var all bytes.Buffer
	if _, err := all.ReadFrom(content); err != nil || all.String() != head {
		t.Errorf("%q, %v", all.String(), err)
	}
	for _, content := range []string{"", "PGDMP", "PGDMP\x01\x0f\x00\x04\x08\x01\x00", "text"} {
		if err := newArchive("", bytes.NewReader([]byte(content))).identify("/s.t.dump"); err == nil {
			t.Errorf("%q is identified", content)
		}
	}
}

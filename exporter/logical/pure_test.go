package logical

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

func TestRoute(t *testing.T) {
	for pathname, want := range map[string]struct {
		kind     kind
		database string
	}{
		"/manifest.json":          {document, ""},
		"/00000-globals.sql":      {globals, ""},
		"/00001-shop.dump":        {dump, "shop"},
		"/00001-a%2Fb.dump":       {dump, "a/b"},
		"/PG_VERSION":             {physical, ""},
		"/base/1/1259":            {physical, ""},
		"/backup_label":           {physical, ""},
		"/notes.txt":              {unknown, ""},
		"/base.txt":               {unknown, ""},
		"/sub/manifest.json":      {unknown, ""},
		"/00001-globals.sql":      {unknown, ""},
		"/00002-globals.sql.dump": {dump, "globals.sql"},
	} {
		kind, database := route(pathname)
		if kind != want.kind || database != want.database {
			t.Errorf("route(%q) = %v, %q", pathname, kind, database)
		}
	}
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		o              options.Export
		source, target string
		exists         bool
		want           step
		refused        bool
	}{
		"new":                    {source: "a", target: "a", want: step{create: true, properties: true}},
		"new under another name": {source: "a", target: "b", want: step{create: true, properties: true}},
		"there":                  {source: "a", target: "a", exists: true},
		"clean":                  {o: options.Export{Clean: true}, source: "a", target: "a", exists: true, want: step{clean: true}},
		"clean, not there":       {o: options.Export{Clean: true}, source: "a", target: "a", refused: true},
		"data only":              {o: options.Export{DataOnly: true}, source: "a", target: "a", exists: true},
		"data only, not there":   {o: options.Export{DataOnly: true}, source: "a", target: "a", refused: true},
		"recreate":               {o: options.Export{Recreate: true}, source: "a", target: "a", exists: true, want: step{drop: true, create: true, properties: true}},
		"recreate, not there":    {o: options.Export{Recreate: true}, source: "a", target: "a", want: step{create: true, properties: true}},
		"recreate under another": {o: options.Export{Recreate: true}, source: "a", target: "b", exists: true, want: step{drop: true, create: true, properties: true}},
		"recreate postgres":      {o: options.Export{Recreate: true}, source: "postgres", target: "postgres", exists: true, want: step{clean: true, properties: true}},
		"recreate into postgres": {o: options.Export{Recreate: true}, source: "a", target: "postgres", exists: true, want: step{clean: true}},
		"template1":              {source: "template1", target: "template1", exists: true, want: step{properties: true}},
		"postgres data only":     {o: options.Export{DataOnly: true}, source: "postgres", target: "postgres", exists: true},
		"postgres was dropped":   {source: "postgres", target: "postgres", want: step{create: true, properties: true}},
	} {
		got, err := decide(&c.o, c.source, c.target, c.exists)
		if got != c.want || (err != nil) != c.refused {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

const script = `--
-- Roles; the "odd" one's
--
\restrict abc'def
CREATE ROLE me;
ALTER ROLE me WITH SUPERUSER
  PASSWORD 'x;y';
CREATE ROLE "me too";
ALTER ROLE "me too" WITH LOGIN PASSWORD 'it''s; ALTER ROLE me WITH';
COMMENT ON ROLE "o'brien;" IS E'a \\
ALTER ROLE me WITH NOLOGIN;
b';
ALTER ROLE me SET work_mem TO '1MB';
ALTER ROLE "me" WITH LOGIN;
ALTER ROLE mean WITH LOGIN;
\unrestrict abc
ALTER ROLE cut WITH PASSWORD 'off`

func TestWithoutStatements(t *testing.T) {
	got := string(withoutStatements([]byte(script), func(s string) bool { return alters(s, "me") }))
	want := strings.NewReplacer(
		"\nALTER ROLE me WITH SUPERUSER\n  PASSWORD 'x;y';\n", "\n\n\n",
		"\nALTER ROLE \"me\" WITH LOGIN;\n", "\n\n",
	).Replace(script)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAlters(t *testing.T) {
	for statement, want := range map[string]bool{
		`ALTER ROLE "a ""b""" WITH LOGIN;`:   true,
		`ALTER ROLE "a ""b""" SET x TO 'y';`: false,
		`ALTER ROLE "a ""b""""" WITH LOGIN;`: false,
		`ALTER ROLE "a `:                     false,
		`CREATE ROLE "a ""b""";`:             false,
		`ALTER ROLE`:                         false,
	} {
		if got := alters(statement, `a "b"`); got != want {
			t.Errorf("alters(%s) = %v", statement, got)
		}
	}
}

func TestScriptErrors(t *testing.T) {
	var found scriptErrors
	for _, line := range []string{
		`psql:<stdin>:14: ERROR:  42710: role "postgres" already exists`,
		`LOCATION:  CreateRole, user.c:360`,
		`psql:<stdin>:15: NOTICE:  00000: role "a" has already been granted membership`,
		`psql:<stdin>:16: WARNING:  01000: something`,
		`psql:<stdin>:17: FEHLER:  58P01: Verzeichnis existiert nicht`,
		`psql:<stdin>:18: ERREUR :  42501: droit refusé`,
		`LINE 1: ALTER ROLE x WITH PASSWORD 'SCRAM-SHA-256$secret'`,
		`psql: error: connection to server was lost`,
	} {
		found.add(line)
	}
	var got []string
	for _, err := range found.list {
		got = append(got, err.Error())
	}
	want := []string{"Verzeichnis existiert nicht (SQLSTATE 58P01)", "droit refusé (SQLSTATE 42501)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if found.last != "psql: error: connection to server was lost" {
		t.Errorf("last line: %q", found.last)
	}
}

const propertiesScript = `--
-- Name: a "b"; Type: DATABASE
--
\restrict x

CREATE DATABASE "a ""b""" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';


ALTER DATABASE "a ""b""" OWNER TO "DATABASE z";
\connect "a ""b"""
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
ALTER DATABASE "a ""b""" SET x TO 'ON DATABASE y';
ALTER ROLE "IN DATABASE q" IN DATABASE "a ""b""" SET x TO 'y;';
ALTER DATABASE "a ""b""" CONNECTION LIMIT = 3;
COMMENT ON DATABASE "a ""b""" IS 'one
two';
GRANT CONNECT ON DATABASE "a ""b""" TO bob;
GRANT CONNECT ON DATABASE other TO bob;
`

func TestSortProperties(t *testing.T) {
	got, err := sortProperties(propertiesScript, `a "b"`, "n\"ew")
	want := properties{
		create:   `CREATE DATABASE "n""ew" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';`,
		settings: "ALTER DATABASE \"n\"\"ew\" SET x TO 'ON DATABASE y';\nALTER ROLE \"IN DATABASE q\" IN DATABASE \"n\"\"ew\" SET x TO 'y;';\n",
		rest: "ALTER DATABASE \"n\"\"ew\" OWNER TO \"DATABASE z\";\nALTER DATABASE \"n\"\"ew\" CONNECTION LIMIT = 3;\n" +
			"COMMENT ON DATABASE \"n\"\"ew\" IS 'one\ntwo';\nGRANT CONNECT ON DATABASE \"n\"\"ew\" TO bob;\n",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(properties{})); err != nil || diff != "" {
		t.Errorf("%v: -want +got\n%s", err, diff)
	}
	if _, err := sortProperties(propertiesScript, "another", "x"); err == nil {
		t.Error("the statements of another database are taken")
	}
}

func TestBegin(t *testing.T) {
	for head, want := range map[string]int{"PGDMP\x01\x0e\x00": 0, "PGDMP\x01\x0f\x00": 16, "PGDMP\x01\x10\x00": 17, "PGDMP\x01\x11": 17} {
		if got, err := newArchive("x", strings.NewReader(head)).begin(); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", head, got, err, want)
		}
	}
	for _, head := range []string{"", "PGDMP", "-- SQL script of some kind"} {
		if _, err := newArchive("x", strings.NewReader(head)).begin(); err == nil {
			t.Errorf("%q is taken for an archive", head)
		}
	}
}

// TestOrigin reads headers as pg_dump 15 and 17 write them.
func TestOrigin(t *testing.T) {
	number := func(n int) string { return "\x00" + string([]byte{byte(n), byte(n >> 8), 0, 0}) }
	rest := strings.Repeat(number(1), 7) + number(4) + "shop" + number(5) + "17.11" + number(4) + "18.6"
	for head, want := range map[string]string{
		"PGDMP\x01\x0e\x00\x04\x08\x01" + number(0) + rest: "17.11",
		"PGDMP\x01\x10\x00\x04\x08\x01\x00" + rest:         "17.11",
		"PGDMP\x01\x10\x00\x04\x08\x01\x00" + rest[:50]:    "",
		"PGDMP\x01\x10\x00\xff\xff\xff\xff" + rest:         "",
		"PGDMP\x01\x10": "",
	} {
		a := newArchive("x", strings.NewReader(head))
		if _, err := a.begin(); err != nil || a.origin != want {
			t.Errorf("%q: %q, %v; want %q", head, a.origin, err, want)
		}
		if text, err := io.ReadAll(contentOf(a)); err != nil || string(text) != head {
			t.Errorf("%q: pg_restore would read %q, %v", head, text, err)
		}
	}
}

func contentOf(a *archive) io.Reader {
	_, content := a.open()
	return content
}

func FuzzBegin(f *testing.F) {
	f.Add([]byte("PGDMP\x01\x10\x00\x04\x08\x01\x00"))
	f.Add([]byte("PGDMP\x01\x0e\x00\xff\x08\x01"))
	f.Fuzz(func(t *testing.T, head []byte) {
		a := newArchive("x", bytes.NewReader(head))
		_, _ = a.begin()
		olderThan(15, a.origin)
		if text, err := io.ReadAll(contentOf(a)); err != nil || !bytes.Equal(text, head) {
			t.Errorf("%q: pg_restore would read %q, %v", head, text, err)
		}
	})
}

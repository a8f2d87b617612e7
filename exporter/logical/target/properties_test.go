package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// contents is a table of contents as pg_dump writes it for a database.
func contents() *dumparchive.TOC {
	return &dumparchive.TOC{Entries: []dumparchive.Entry{
		{Desc: "ENCODING", Tag: "ENCODING", Defn: "SET client_encoding = 'LATIN1';\n"},
		{Desc: "STDSTRINGS", Tag: "STDSTRINGS", Defn: "SET standard_conforming_strings = 'off';\n"},
		{Desc: "SEARCHPATH", Tag: "SEARCHPATH", Defn: "SELECT pg_catalog.set_config('search_path', '', false);\n"},
		{Desc: "DATABASE", Tag: `a "b"`, Owner: "DATABASE z", Defn: `CREATE DATABASE "a ""b""" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';` + "\n"},
		{Desc: "COMMENT", Tag: `DATABASE "a ""b"""`, Owner: "DATABASE z", Defn: `COMMENT ON DATABASE "a ""b""" IS 'one` + "\n" + `two \\ DATABASE y';` + "\n"},
		{Desc: "COMMENT", Tag: "TABLE t", Defn: "COMMENT ON TABLE t IS 'DATABASE';"},
		{Desc: "DATABASE PROPERTIES", Tag: `a "b"`, Defn: `ALTER DATABASE "a ""b""" SET x TO 'ON DATABASE y';` + "\n" +
			`ALTER ROLE "IN DATABASE q" IN DATABASE "a ""b""" SET x TO 'y;';` + "\n" + `ALTER DATABASE "a ""b""" CONNECTION LIMIT = 3;` + "\n" +
			`ALTER DATABASE "a ""b""" SET session_preload_libraries TO 'x', 'y';` + "\n" +
			`ALTER ROLE q IN DATABASE "a ""b""" SET "Local_Preload_Libraries" TO 'z';` + "\n" +
			"DROP DATABASE other;\nALTER DATABASE other SET x TO 1;\n"},
		{Desc: "ACL", Tag: `DATABASE "a ""b"""`, Defn: `GRANT CONNECT ON DATABASE "a ""b""" TO bob;` + "\nGRANT CONNECT ON DATABASE other TO bob;\n"},
		{Desc: "TABLE", Tag: "t", Defn: "CREATE TABLE t ();", Owner: "bob"},
	}}
}

func texts(statements []sqlscript.Statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.ForDatabase(`"n""ew"`).SQL)
	}
	return all
}

func TestReadProperties(t *testing.T) {
	p, err := ReadProperties(contents(), &options.Export{})
	if err != nil || p.script.Encoding != "LATIN1" || p.name != `a "b"` {
		t.Fatalf("%+v, %v", p, err)
	}
	for name, c := range map[string]struct {
		got  []sqlscript.Statement
		want []string
	}{
		"create":   {[]sqlscript.Statement{p.create}, []string{`CREATE DATABASE "n""ew" WITH TEMPLATE = template0 ENCODING =  E'UTF8' LOCALE =  E'C'`}},
		"settings": {p.settings, []string{`ALTER DATABASE "n""ew" SET x TO  E'ON DATABASE y'`, `ALTER ROLE "IN DATABASE q" IN DATABASE "n""ew" SET x TO  E'y;'`}},
		"libraries": {p.libraries, []string{
			`ALTER DATABASE "n""ew" SET session_preload_libraries TO  E'x',  E'y'`, `ALTER ROLE q IN DATABASE "n""ew" SET "Local_Preload_Libraries" TO  E'z'`,
		}},
		"rest": {p.rest, []string{
			`ALTER DATABASE "n""ew" OWNER TO "DATABASE z"`, "COMMENT ON DATABASE \"n\"\"ew\" IS  E'one\ntwo \\\\ DATABASE y'",
			`ALTER DATABASE "n""ew" CONNECTION LIMIT = 3`, `GRANT CONNECT ON DATABASE "n""ew" TO bob`,
		}},
	} {
		if diff := cmp.Diff(c.want, texts(c.got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	p, err = ReadProperties(contents(), &options.Export{NoOwner: true, NoPrivileges: true})
	if rest := strings.Join(texts(p.rest), ";"); err != nil || strings.Contains(rest, "OWNER") || strings.Contains(rest, "GRANT") {
		t.Errorf("no_owner and no_privileges: %s, %v", rest, err)
	}
}

// Where a connection pooler drops what the tools are given, the settings that would reach them come last, but
// before the database has another owner.
func TestConfigureLast(t *testing.T) {
	toc := contents()
	toc.Entries = append(toc.Entries, dumparchive.Entry{Desc: "DATABASE PROPERTIES", Defn: `ALTER DATABASE "a ""b""" SET array_nulls TO 'off';` + "\n" +
		`ALTER ROLE bob IN DATABASE "a ""b""" SET "DateStyle" TO 'SQL';` + "\n" + `ALTER DATABASE "a ""b""" SET search_path TO 'x';` + "\n" +
		`ALTER DATABASE "a ""b""" SET role TO 'bob';` + "\n"})
	p, err := ReadProperties(toc, &options.Export{})
	if err != nil {
		t.Fatal(err)
	}
	p.configureLast()
	first, last := strings.Join(texts(p.settings), "\n"), texts(p.rest)
	if strings.Count(first, "\n") != 2 || !strings.Contains(first, "search_path") {
		t.Errorf("first:\n%s", first)
	}
	if all := strings.Join(last[:4], "\n"); !strings.Contains(all, "array_nulls") || !strings.Contains(all, "DateStyle") || !strings.Contains(all, "role TO") || !strings.Contains(last[3], "OWNER TO") {
		t.Errorf("last:\n%s", all)
	}
}

func TestNoProperties(t *testing.T) {
	for name, defn := range map[string]string{
		"none": "", "another": "ALTER DATABASE x SET y TO 1;", "a command to psql": "CREATE DATABASE x\n\\! touch y\n;", "cut off": "CREATE DATABASE x",
	} {
		toc := &dumparchive.TOC{Entries: []dumparchive.Entry{{Desc: "DATABASE", Defn: defn}}}
		if p, err := ReadProperties(toc, &options.Export{}); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// FuzzReadProperties: what a dump says of a database is said of the target only.
func FuzzReadProperties(f *testing.F) {
	f.Add("shop", "target", "ENCODING = 'UTF8'")
	f.Add(`a"; DROP DATABASE x;`, `b";--`, "OWNER TO nobody")
	f.Add("a\nb", "'", "x")
	f.Fuzz(func(t *testing.T, source, target, text string) {
		if strings.ContainsRune(source+target, 0) || source == "" {
			return // PostgreSQL has no such name
		}
		toc := &dumparchive.TOC{Entries: []dumparchive.Entry{
			{Desc: "DATABASE", Tag: source, Defn: "CREATE DATABASE " + ident(source) + " " + text + ";\nALTER DATABASE " + ident(source) + " " + text + ";\n"},
		}}
		p, err := ReadProperties(toc, &options.Export{})
		if err == nil && !strings.HasPrefix(p.create.ForDatabase(ident(target)).SQL, "CREATE DATABASE "+ident(target)) {
			t.Errorf("%q does not create %q", p.create.SQL, target)
		}
	})
}

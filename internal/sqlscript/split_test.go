package sqlscript

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines are the statements of a script, each with its line.
func lines(s Script) []string {
	var all []string
	for _, statement := range s.Statements {
		all = append(all, fmt.Sprintf("%d %s", statement.Line, statement.SQL))
	}
	return all
}

func TestParse(t *testing.T) {
	for script, want := range map[string][]string{
		"":                      nil,
		"-- only a comment":     nil,
		" ;; \n;":               nil,
		"CREATE ROLE a;":        {"1 CREATE ROLE a"},
		"\n\n  A;B\n;\nC\n;":    {"3 A", "3 B", "5 C"},
		"SET x = 1;\nA;":        {"2 A"},
		"SET SESSION x TO 1;A;": {"1 A"},
		"SET SESSION AUTHORIZATION x;\nRESET SESSION AUTHORIZATION;": {"1 SET SESSION AUTHORIZATION x", "2 RESET SESSION AUTHORIZATION"},
		// Quotations and comments.
		`ALTER ROLE x PASSWORD 'it''s; -- :x /* $$';B;`: {`1 ALTER ROLE x PASSWORD 'it''s; -- :x /* $$'`, "1 B"},
		"CREATE ROLE \"a\n\\! \"\"cmd;\";\nB;":          {"1 CREATE ROLE \"a\n\\! \"\"cmd;\"", "3 B"},
		`A U&"\0061;""" U&'\';B;`:                       {`1 A U&"\0061;""" U&'\'`, "1 B"},
		"A $q$a;\n\\! cmd ' $$ $q$;B;":                  {"1 A $q$a;\n\\! cmd ' $$ $q$", "2 B"},
		"A $$\n\\! cmd;$$;\nB;":                         {"1 A $$\n\\! cmd;$$", "3 B"},
		"A $é$ ; $é$;B;":                                {"1 A $é$ ; $é$", "1 B"},
		"A a$b$; B b$$;":                                {"1 A a$b$", "1 B b$$"}, // no dollar quote
		"A $1;B $2$;":                                   {"1 A $1", "1 B $2$"},
		"A /* ; /* ' */ \" */ ;B;":                      {"1 A", "1 B"},
		"A -- ' ;\n;B;":                                 {"1 A", "2 B"},
		"--\n-- User Config \"x\"\n--\n\nA;":            {"5 A"},
		"-- x\rA;":                                      {"1 A"},
		`A B'1;' X'a' N'x\';B;`:                         {`1 A B'1;' X'a' N'x\'`, "1 B"},
		"A '\\\n\\! cmd';B;":                            {"1 A '\\\n\\! cmd'", "2 B"},
		// Escapes.
		`A E'a\';\\' 'b\';B;`:       {`1 A E'a\';\\' 'b\'`, "1 B"},
		"A E'a' -- c\n 'b\\';' ;B;": {"1 A E'a' -- c\n 'b\\';'", "2 B"},
		"A E'a' /* c */\n'b\\' ;B;": {"1 A E'a' /* c */\n'b\\'", "2 B"},
		`A nameE'\';B;`:             {`1 A nameE'\'`, "1 B"},
		`A 1E'\';B;`:                {`1 A 1E'\'`, "1 B"},
		"SET standard_conforming_strings = off;\nA 'b\\';\\\\' E'\\'';\nSET standard_conforming_strings = on; C '\\';": {
			`2 A  E'b\';\\' E'\''`, `3 C '\'`,
		},
		"SET standard_conforming_strings TO 'off';A TO'b' \n 'c\\'' N'\\'' U&'\\' B'1';": {"1 A TO E'b' \n 'c\\''  E'\\'' U&'\\' B'1'"},
		// psql's own commands.
		"\\restrict a0B\nA;\n \\unrestrict a0B \n": {"2 A"},
		"\\restrict abc'def\nA;\n\\unrestrict x":   {"2 A"},
		// What has semicolons in it.
		"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);B;": {"1 CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "1 B"},
		"CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;B;": {
			"1 CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END", "1 B",
		},
		"BEGIN;A;END;": {"1 BEGIN", "1 A", "1 END"},
		// A backslash or quote in a character of two bytes.
		"SET client_encoding = 'SJIS';A '\x83\\' \"\x83\\\";B;":            {"1 A '\x83\\' \"\x83\\\"", "1 B"},
		"SET NAMES 'shift_jis_2004';A E'\x83\\';B;":                        {"1 A E'\x83\\'", "1 B"},
		"SET client_encoding TO gb18030;A E'\x81\x30\x81\x30' '\x81\\';B;": {"1 A E'\x81\x30\x81\x30' '\x81\\'", "1 B"},
	} {
		got, err := Parse(script)
		if diff := cmp.Diff(want, lines(got)); diff != "" || err != nil {
			t.Errorf("%q: %v, -want +got\n%s", script, err, diff)
		}
	}
}

// Nothing of a script should be run in which something else than SQL may be hidden, or
// that is cut off.
func TestRefused(t *testing.T) {
	for script, want := range map[string]string{
		"A;\n\\! touch y\nB;":                            "line 2 of the script: a command to psql",
		"A;\n  \\! touch y":                              "line 2 of the script: a command to psql",
		"A;\n-- User Config \"x\n\\! touch y\"":          "line 3 of the script: a command to psql",
		"A;\n-- x\r\\! touch y":                          "line 2 of the script: a command to psql",
		"A;\nALTER ROLE x\n\\! touch y\n;":               "line 3 of the script: a command to psql",
		"A;\nB; \\! touch y":                             "line 2 of the script: a command to psql",
		"A;\n\\connect postgres":                         "line 2 of the script: a command to psql",
		"A;\n\\restrict":                                 "line 2 of the script: a command to psql",
		"A;\n\\restrict x \\! touch y":                   "line 2 of the script: a command to psql",
		"A;\n\\restrictx y":                              "line 2 of the script: a command to psql",
		"A;\nB\n\\restrict x\n;":                         "line 3 of the script: a command to psql",
		"A;\nCOPY t FROM STDIN;\n\"\n\\.\n\\! touch y\n": "line 3 of the script: a quotation is not closed",
		"A;\nCOPY t FROM STDIN;\n1\n\\.\n":               "line 4 of the script: a command to psql",
		"A;\nALTER ROLE x PASSWORD 'off":                 "line 2 of the script: a quotation is not closed",
		"A;\n\nB \"off":                                  "line 3 of the script: a quotation is not closed",
		"A;\nB $a$ $b$":                                  "line 2 of the script: a quotation is not closed",
		`A;B E'\`:                                        "line 1 of the script: a quotation is not closed",
		"A;\nB /* /* */":                                 "line 2 of the script: a comment is not closed",
		"A;\n/*":                                         "line 2 of the script: a comment is not closed",
		"A;\nB":                                          "line 2 of the script: a statement is not complete",
		"A;\nB (;":                                       "line 2 of the script: a statement is not complete",
		"A;\nCREATE ROLE \"a\x00;\n":                     "line 2 of the script has a NUL byte",
	} {
		got, err := Parse(script)
		if err == nil || !strings.HasPrefix(err.Error(), want) || got.Statements != nil {
			t.Errorf("%q: %v, %q; want %q", script, err, lines(got), want)
		}
	}
}

func TestEncoding(t *testing.T) {
	for script, want := range map[string]string{
		"A;":                                       "",
		"SET client_encoding = 'LATIN1';\nA;":      "LATIN1",
		"SET SESSION client_encoding TO utf8;":     "utf8",
		"SET NAMES 'WIN1252';":                     "WIN1252",
		"SET \"client_encoding\" = 'UTF8';":        "UTF8",
		"ALTER ROLE x SET client_encoding TO 'x';": "",
	} {
		if got, err := Parse(script); err != nil || got.Encoding != want {
			t.Errorf("%q: %q, %v; want %q", script, got.Encoding, err, want)
		}
	}
}

// FuzzParse: every statement is one for itself, too, and nothing gets lost.
func FuzzParse(f *testing.F) {
	f.Add("SET standard_conforming_strings = off;\nA 'b\\';\\\\' E'\\'';\nB;")
	f.Add("GRANT $a$\\! $a$; GRANT '\\\\' \"\n\\\";--\r\\! x")
	f.Add("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;\\restrict x\n/* /* */ */ B $1;")
	f.Add("\\restrict abc\nALTER ROLE \"me too\" WITH LOGIN PASSWORD 'it''s;';\nREVOKE ADMIN OPTION FOR a FROM b GRANTED BY c;")
	f.Fuzz(func(t *testing.T, script string) {
		parsed, err := Parse(script)
		if err != nil {
			return
		}
		for _, s := range parsed.Statements {
			if s.SQL == "" || s.Line < 1 || s.Line > 1+strings.Count(script, "\n") {
				t.Errorf("%q: statement %q on line %d", script, s.SQL, s.Line)
			}
			again, err := Parse("SET client_encoding = '" + parsed.Encoding + "';" + s.SQL + ";")
			if strings.ContainsAny(parsed.Encoding, `'\`) || strings.Count(strings.ToLower(script), "client_encoding")+strings.Count(strings.ToLower(script), "names") > 1 {
				again, err = Script{Statements: []Statement{s}}, nil
			}
			if err != nil || len(again.Statements) != 1 || again.Statements[0].SQL != s.SQL {
				t.Errorf("%q: statement %q is %q by itself, %v", script, s.SQL, lines(again), err)
			}
			s.Subject()
			s.WithoutPowers()
			s.SplitMembers()
			s.WithoutGrantor()
			s.ForDatabase(`"x"`)
		}
	})
}

func TestOptionsOfCreateDatabase(t *testing.T) {
	script, err := Parse(`CREATE DATABASE "a LOCALE = x" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = 'C.UTF-8' ICU_LOCALE = 'de-DE' TABLESPACE = "fast one";`)
	if err != nil {
		t.Fatal(err)
	}
	s := script.Statements[0]
	if got := s.Option("LOCALE_PROVIDER"); got != "icu" {
		t.Errorf("LOCALE_PROVIDER is %q", got)
	}
	got := s.WithOptions([]string{"LOCALE_PROVIDER", "ICU_LOCALE", "TABLESPACE"}, "OID = 5").SQL
	if want := `CREATE DATABASE "a LOCALE = x" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8' OID = 5`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

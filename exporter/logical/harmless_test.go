package logical

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cleaned is what is left of a script, less the line that is put in front.
func cleaned(script []byte) (clean string, refused []error) {
	out, refused := harmless(script)
	first, clean, _ := strings.Cut(string(out), "\n")
	clean, set := strings.CutPrefix(clean, "SET standard_conforming_strings = on;\n")
	if !set || !strings.HasPrefix(first, `\restrict `) || len(first) < 30 {
		return "not restricted: " + first, refused
	}
	return clean, refused
}

// What pg_dumpall writes reaches psql, less comments and commands.
func TestHarmless(t *testing.T) {
	const kept = "SET client_encoding = 'UTF8';\n" +
		"CREATE ROLE \"a\n\\! \"\"cmd\";\n" +
		"ALTER ROLE \"a\n\\! \"\"cmd\" WITH LOGIN PASSWORD 'it''s; -- :x\n/* $$';\n" +
		"ALTER ROLE x SET y TO E'a\\\\\n\\\\! cmd''';\n" +
		"COMMENT ON ROLE x IS 'it''s \\\n\\! cmd \\';\n" +
		"COMMENT ON ROLE x IS $q$a;\n\\! cmd ' $$ $q$;\n" +
		"COMMENT ON ROLE x IS $$\n\\! cmd$$;\n" +
		"SECURITY LABEL FOR p ON ROLE x IS '\xe9';\n" +
		"SET SESSION AUTHORIZATION x;\nGRANT SET ON PARAMETER \"a.b\" TO x;\nRESET SESSION AUTHORIZATION;\n" +
		"CREATE TABLESPACE t OWNER x LOCATION '/t';\nALTER TABLESPACE t SET (random_page_cost='1');\n"
	for dropped, lines := range map[string]string{
		"\\restrict abc\n": "\n",
		"--\n-- User Config \"x\n\\! touch y\"\n--\n":       "\n\n\n\n",
		"-- x\r\\! touch y\n  \\! touch y\n":                "\n\n",
		"\\! touch y; CREATE ROLE z;\n\\connect postgres\n": "\n\n",
	} {
		clean, refused := cleaned([]byte(kept + dropped + kept))
		if diff := cmp.Diff(kept+lines+kept, clean); diff != "" || refused != nil {
			t.Errorf("%q: %v, -want +got\n%s", dropped, refused, diff)
		}
	}
}

// A statement in which psql could find a command is left out, and that is said.
func TestHarmful(t *testing.T) {
	const kept = "CREATE ROLE x;\n"
	for _, script := range []string{
		`ALTER ROLE x \! touch y`,
		"ALTER ROLE x\n\\! touch y\n;",
		`SET standard_conforming_strings = off;`,
		"ALTER ROLE x SET y TO E'a' \n 'b\\'; \\! touch y';",
		`ALTER ROLE x SET y TO e'a''b\'; \! touch y';`,
		`ALTER ROLE x SET y TO E'\\\'; \! touch y';`,          // not doubled
		`ALTER ROLE x SET y TO :LAST_ERROR_MESSAGE;`,          // is read again
		`ALTER ROLE x SET y TO :'HOST';`,                      //
		`ALTER ROLE x /* ' */ \! touch y; /* ' */;`,           //
		"ALTER ROLE x -- '\n\\! touch y\n;",                   //
		`ALTER ROLE a$b$; \! touch y $b$;`,                    // no dollar quote
		"ALTER ROLE x SET y TO $\xc3\xa9$; \\! z $\xc3\xa9$;", // one of a kind that is not written
		"COPY t FROM STDIN;\n\"\n\\.\n\\! touch y\n\";",       // data
		"copy t FROM STDIN;",
		`SET client_encoding = 'SJIS';`,
		`SET SESSION client_encoding = 'SJIS';`,
		`SET NAMES 'SJIS';`,
		`SELECT set_config('client_encoding', 'SJIS', false);`,
		`DO 'BEGIN END';`,
		"\v\\! touch y;",
		`ALTER ROLE x WITH PASSWORD 'off`,
	} {
		clean, refused := cleaned([]byte(kept + script))
		if rest, ok := strings.CutPrefix(clean, kept); !ok || strings.TrimSpace(rest) != "" || len(refused) == 0 || !strings.Contains(refused[0].Error(), "line 2 ") {
			t.Errorf("%q: %q, %v", script, rest, refused)
		}
	}
	if clean, refused := cleaned([]byte("CREATE ROLE \"a\x00;\n")); clean != "" || refused == nil {
		t.Errorf("NUL: %q, %v", clean, refused)
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add([]byte(script))
	f.Add([]byte("'"))
	f.Add([]byte("GRANT $a$\\! $a$; GRANT '\\\\' \"\n\\\";--\r\\! x"))
	f.Fuzz(func(t *testing.T, script []byte) {
		clean, _ := cleaned(script)
		again, refused := cleaned([]byte(clean))
		if clean != again || refused != nil {
			t.Errorf("%q is not harmless: %q, %v", clean, again, refused)
		}
		if !strings.Contains(string(script), "\x00") && strings.Count(string(script), "\n") != strings.Count(clean, "\n") {
			t.Errorf("%q: lines got lost in %q", script, clean)
		}
		for _, p := range split(clean) {
			if !p.statement && strings.TrimSpace(p.text) != "" {
				t.Errorf("%q is left of %q", p.text, script)
			}
		}
	})
}

package selection

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// extensionsInPublic are the definitions of a dump in parts: a table, and extensions of which
// it needs citext.
func extensionsInPublic(t *testing.T) *dumparchive.TOC {
	t.Helper()
	extension := func(name string) dumparchive.Entry {
		return dumparchive.Entry{Desc: "EXTENSION", TableOID: 3079, Tag: name, Defn: "CREATE EXTENSION IF NOT EXISTS " + name + " WITH SCHEMA public;", Section: dumparchive.SectionPreData}
	}
	return archiveOf(t, extension("citext"), extension("hstore"), extension("pg_trgm"),
		dumparchive.Entry{
			Desc: "TABLE", TableOID: 1259, Namespace: "public", Tag: "t", Section: dumparchive.SectionPreData, Dependencies: []int{1},
			Defn: "CREATE TABLE public.t (\n    x public.citext,\n    y text,\n    z text DEFAULT public.lower('a')\n);",
		},
		dumparchive.Entry{
			Desc: "VIEW", TableOID: 1259, Namespace: "public", Tag: "v", Section: dumparchive.SectionPreData, Dependencies: []int{1, 2, 4},
			Defn: "CREATE VIEW public.v AS\n SELECT (t.x)::public.citext AS x, (t.y)::public.hstore AS y FROM public.t;",
		})
}

// What comes after the rows in a dump in parts names what the archives do not define.
func TestExtensionsOfText(t *testing.T) {
	for defn, want := range map[string][]string{
		"CREATE STATISTICS public.s ON x, y FROM public.t;\nALTER STATISTICS public.s SET STATISTICS 7;":              {"citext"},
		"CREATE INDEX i ON public.t USING btree (lower(y));\n\nALTER INDEX public.i ALTER COLUMN 1 SET STATISTICS 7;": {"citext"},
		"CREATE INDEX i ON public.t USING btree (((y)::public.citext));":                                              {"citext"},
		"CREATE INDEX i ON public.t USING gin (y public.gin_trgm_ops);":                                               {"citext", "pg_trgm"},
		"CREATE INDEX i ON public.t USING btree (y);\nALTER INDEX public.i DEPENDS ON EXTENSION hstore;":              {"citext", "hstore"},
		"CREATE INDEX i ON public.t USING gist (y public.some_ops);":                                                  {"citext", "hstore", "pg_trgm"}, // who knows
		"CREATE INDEX i ON public.t USING btree (((y)::public.hstore));":                                              {"citext", "hstore"},            // says the view
		"CREATE INDEX i ON public.t USING btree (public.lower(y));":                                                   {"citext", "hstore", "pg_trgm"}, // there may be several of that name
		"CREATE INDEX i ON public.t USING btree (y) WHERE (y OPERATOR(public.=) ('x'::text));":                        {"citext", "hstore", "pg_trgm"},
		"CREATE STATISTICS public.s ON (public.s(y)), x FROM public.t;":                                               {"citext", "hstore", "pg_trgm"}, // a function of the same name
		"CREATE INDEX i ON public.t USING gin (to_tsvector('public.german'::regconfig, y));":                          {"citext", "hstore", "pg_trgm"},
	} {
		post := archiveOf(t,
			dumparchive.Entry{Desc: "INDEX", TableOID: 1259, Namespace: "public", Tag: "i", Defn: "CREATE INDEX i ON public.t USING btree (x);", Section: dumparchive.SectionPostData})
		post.Entries[0].Defn = defn
		if defn[:len("CREATE STATISTICS")] == "CREATE STATISTICS" {
			post.Entries[0].Desc, post.Entries[0].Tag = "STATISTICS", "s"
		}
		check := func(want []string, exists ...Object) {
			t.Helper()
			r, err := Select([]*dumparchive.TOC{extensionsInPublic(t), post}, Request{Tables: []string{"t"}, Exists: has(append(exists, public)...)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range r.Needed {
				if o.Kind == "EXTENSION" {
					got = append(got, o.Name)
				}
			}
			if !slices.Equal(got, want) || len(r.Lists[1]) != 1 {
				t.Errorf("%s: needs %q, want %q\n%+v", defn, got, want, r)
			}
		}
		check(want)
		check([]string{"citext"}, Object{"EXTENSION", "", "hstore"}, Object{"EXTENSION", "", "pg_trgm"})
		if defn == "CREATE INDEX i ON public.t USING gist (y public.some_ops);" {
			check([]string{"citext"}, Object{"OPERATOR CLASS", "public", "some_ops"})
		}
	}
}

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// measuredSQL has tables of every kind that there are statistics of. The encoding of its
// database is not that of our sessions, and one table has too little to be told apart.
const measuredSQL = `
CREATE TABLE t (id int PRIMARY KEY, x int, y text); INSERT INTO t SELECT i, i % 7, 'v' || i % 3 FROM generate_series(1, 1000) i;
CREATE INDEX of_x ON t ((x + 1));
CREATE MATERIALIZED VIEW m AS SELECT * FROM t WHERE x = 1;
CREATE SCHEMA "Übung"; CREATE TABLE "Übung"."Größe ""'" (a int); INSERT INTO "Übung"."Größe ""'" SELECT i FROM generate_series(1, 10) i;
CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY LIST (b);
CREATE TABLE p11 PARTITION OF p1 DEFAULT; CREATE TABLE p2 PARTITION OF p DEFAULT;
INSERT INTO p SELECT i, i % 3 FROM generate_series(1, 100) i;
CREATE TABLE none (a int)`

const (
	// measuredTables are the tables that there are statistics of.
	measuredTables = `SET client_encoding = 'UTF8'; SELECT string_agg(DISTINCT tablename, ' ' ORDER BY tablename) FROM pg_stats WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
	allMeasured    = `Größe "' m of_x p p1 p11 p2 t`
	// allStatistics is all that pg_dump saves of them.
	allStatistics = `SET client_encoding = 'UTF8'; SELECT s::text FROM pg_stats s WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`
	noStatistics  = "no statistics for the planner"
)

func newMeasured(t *testing.T) source {
	t.Helper()
	s := source{server: harness.Start(t, harness.Conf("autovacuum = off")), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	s.server.Psql(t, "shop", "SET client_encoding = 'UTF8';\n"+measuredSQL+"; ANALYZE")
	return s
}

// Statistics are those of the source with the tools and servers that can, made by analyze=true,
// or missed with a word.
func TestStatistics(t *testing.T) {
	t.Parallel()
	s := newMeasured(t)
	dst := harness.Start(t, harness.Conf("autovacuum = off"))
	s.plakar.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	saved, kept := harness.ToolsMajor(t, s.server.Major) >= 18, s.server.Major >= 18
	for layout, options := range map[string][]string{"single": nil, "tables": inParts} {
		t.Run(layout, func(t *testing.T) {
			source := "src" + layout
			s.plakar.SourceAdd(source, s.server.URL("shop"), append(options, s.server.BinDirOption())...)
			snapshot := s.plakar.MustBackup("@" + source)
			restore := func(options ...string) harness.Result {
				t.Helper()
				r := s.plakar.Restore("@dst", snapshot, flags(append(options, "database="+layout))...)
				ok(t, r)
				return r
			}

			r := restore()
			want := ""
			if kept {
				want = allMeasured
				if diff := cmp.Diff(s.server.QueryText(t, "shop", allStatistics), dst.QueryText(t, layout, allStatistics)); diff != "" {
					t.Errorf("statistics: -want +got\n%s", diff)
				}
			}
			query(t, dst, layout, measuredTables, want)
			if said := strings.Contains(r.Output(), noStatistics); said == kept {
				t.Errorf("kept statistics: %t, said that there are none: %t\n%s", kept, said, r.Output())
			}

			for _, jobs := range []string{"jobs=1", "jobs=3"} {
				r = restore("recreate=true", "analyze=true", jobs)
				query(t, dst, layout, measuredTables, allMeasured)
				query(t, dst, layout, "SELECT count(*) FROM pg_stat_user_tables WHERE analyze_count = 1", "8")
				if strings.Contains(r.Output(), noStatistics) || strings.Contains(r.Output(), "could not be analyzed") {
					t.Errorf("analyzed, but:\n%s", r.Output())
				}
			}

			// Of a selection, only its own tables.
			dst.Exec(t, "postgres", "DROP DATABASE "+layout)
			dst.Exec(t, "postgres", "CREATE DATABASE "+layout)
			dst.Exec(t, layout, "CREATE TABLE other AS SELECT 1 AS a")
			restore("tables=p,t")
			want = ""
			if kept {
				want = "of_x p p1 p11 p2 t"
			}
			query(t, dst, layout, measuredTables, want)
			dst.Exec(t, layout, "DROP TABLE p, t")
			restore("tables=p,t", "analyze=true", "jobs=2")
			query(t, dst, layout, measuredTables, "of_x p p1 p11 p2 t")
		})
	}
	if text := listArchive(t, s.server, s.plakar.Cat(s.plakar.MustBackup("@srcsingle"), "/00001-shop.dump")); strings.Contains(text, "STATISTICS DATA") != saved {
		t.Errorf("statistics in the dump, want %t:\n%s", saved, text)
	}
}

// A role that may not analyze is told so, and what cannot be analyzed fails no restore: the
// rows are there.
func TestAnalyzeRefused(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "who may analyze has changed with version 17 only")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop")
	s.server.Exec(t, "shop", `CREATE TABLE fine AS SELECT 1 AS a;
		CREATE TABLE zero (a int); INSERT INTO zero VALUES (1);
		CREATE FUNCTION over(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
			IF current_query() LIKE 'ANALYZE%' THEN RAISE 'over'; END IF; RETURN $1; END $$;
		CREATE INDEX ON zero (over(a))`)
	s.plakar.SourceAdd("mypg", s.server.URL("shop"), s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	r := restore("", "analyze=true")
	ok(t, r)
	if !strings.Contains(r.Message(), `database "shop" is restored, but could not be analyzed: ANALYZE public . zero: over`) {
		t.Errorf("nothing of the table that was not analyzed:\n%s", r.Output())
	}
	query(t, dst, "shop", "SELECT string_agg(tablename, ' ') FROM pg_stats WHERE schemaname = 'public'", "fine")

	dst.Exec(t, "postgres", "CREATE ROLE loader LOGIN PASSWORD 'loader'")
	dst.Exec(t, "postgres", "CREATE DATABASE mine")
	dst.Exec(t, "mine", "CREATE TABLE fine (a int); GRANT INSERT ON fine TO loader")
	s.plakar.DestinationAdd("asloader", dst.URLFor("loader", "loader", "mine"), dst.BinDirOption())
	r = s.plakar.Restore("@asloader", s.snapshot, flags([]string{"data_only=true", "tables=fine", "analyze=true"})...)
	ok(t, r)
	if !strings.Contains(r.Output(), "may not analyze public.fine") {
		t.Errorf("nothing of the role that may not analyze:\n%s", r.Output())
	}
	failed(t, restore("", "analyze=true", "schema_only=true"), `"analyze"`, `"schema_only"`)
}

// Servers before 18 are not given the statistics that the tools of 18 have saved.
func TestStatisticsForOlderServer(t *testing.T) {
	t.Parallel()
	harness.OnlyMajor(t, 18, "its tools save statistics")
	s := newMeasured(t)
	s.plakar.SourceAdd("single", s.server.URL("shop"), s.server.BinDirOption())
	s.plakar.SourceAdd("tables", s.server.URL("shop"), append(inParts, s.server.BinDirOption())...)
	single, tables := s.plakar.MustBackup("@single"), s.plakar.MustBackup("@tables")
	for _, major := range harness.Majors() {
		if major >= 18 {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			dst := harness.Start(t, harness.Major(major), harness.Conf("autovacuum = off"))
			tools := dst.BinDirOption()
			if major < 17 { // whose pg_restore does not read the archive
				tools = s.server.BinDirOption()
			}
			name := fmt.Sprintf("dst%d", major)
			s.plakar.DestinationAdd(name, dst.URL(""), tools, "recreate=true")
			for _, snapshot := range []string{single, tables} {
				for _, options := range [][]string{{"exit_on_error=true"}, {"jobs=2", "exit_on_error=true"}, {"recreate=false", "database=c1", "tables=t"}} {
					r := s.plakar.Restore("@"+name, snapshot, flags(options)...)
					ok(t, r)
					if !strings.Contains(r.Output(), noStatistics) || strings.Contains(r.Output(), "pg_restore_") {
						t.Errorf("with %q:\n%s", options, r.Output())
					}
				}
				query(t, dst, "shop", "SELECT (SELECT count(*) FROM t) || ' ' || (SELECT count(*) FROM pg_stats WHERE schemaname = 'public')", "1000 0")
				query(t, dst, "c1", countT, "1000")
				dst.Exec(t, "postgres", "DROP DATABASE c1")
			}
		})
	}
}

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// structure is what there is, said in a way that is the same in every version; the
// text of views is not.
const structure = `
	SELECT c.oid::regclass::text COLLATE "C" AS name, c.relkind::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relnamespace::regnamespace::text !~ '^pg_'
	UNION ALL SELECT conrelid::regclass::text || '.' || conname, contype::text, '', '', '' FROM pg_constraint WHERE oid >= 16384 AND contype <> 'n'
	UNION ALL SELECT tgrelid::regclass::text || '.' || tgname, 'trigger', '', '', '' FROM pg_trigger WHERE oid >= 16384 AND NOT tgisinternal
	UNION ALL SELECT indexrelid::regclass::text, 'index', '', '', '' FROM pg_index
		JOIN pg_class c ON c.oid = indrelid WHERE indexrelid >= 16384 AND c.relnamespace::regnamespace::text !~ '^pg_'
	UNION ALL SELECT oid::regprocedure::text, 'function', '', '', '' FROM pg_proc p WHERE oid >= 16384
		AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
	ORDER BY 1, 2, 3`

// TestNewerServer restores a backup of the oldest version into every newer one, with
// the tools of the newer one.
func TestNewerServer(t *testing.T) {
	t.Parallel()
	harness.LowestMajorAnyTools(t, "it starts servers of every version")
	majors := harness.Majors()
	if len(majors) < 2 {
		t.Skip("one PostgreSQL version is installed; CI runs this with several")
	}
	src := harness.Start(t, harness.Major(majors[0]))
	harness.SeedHard(t, src)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	for _, major := range majors[1:] {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			dst := harness.Start(t, harness.Major(major))
			name := fmt.Sprintf("dst%d", major)
			p.DestinationAdd(name, dst.URL(""), "recreate=true", dst.BinDirOption())
			p.MustRestore("@"+name, snapshot)
			for _, db := range src.Databases(t) {
				harness.CompareContent(t, src, dst, db)
				want, got := strings.Split(src.QueryText(t, db, structure), "\n"), strings.Split(dst.QueryText(t, db, structure), "\n")
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: -want +got\n%s", db, diff)
				}
			}
			harness.CompareRoles(t, src, dst, harness.Superuser)
		})
	}
}

// TestNewerTools backs up and restores the oldest version with the newest tools.
func TestNewerTools(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it starts servers of the lowest version with the newest tools")
	majors := harness.Majors()
	if len(majors) < 2 {
		t.Skip("one PostgreSQL version is installed; CI runs this with several")
	}
	oldest := harness.Major(majors[0])
	src, dst := harness.Start(t, oldest), harness.Start(t, oldest)
	harness.SeedHard(t, src)
	tools := "pg_bin_dir=" + harness.BinDir(t, majors[len(majors)-1])
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), tools)
	p.DestinationAdd("dst", dst.URL(""), "recreate=true", tools)
	p.MustRestore("@dst", p.MustBackup("@mypg"))
	harness.CompareClusters(t, src, dst)
	p.MustRestore("@dst", p.MustBackup("@mypg"), "-o", "jobs=3")
	harness.CompareClusters(t, src, dst)
}

// exit_on_error with tools whose first statement an older server does not know: that
// is not the error to stop at, and any other one is.
func TestExitOnErrorWithNewerTools(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it starts servers of the lowest version with the newest tools")
	majors := harness.Majors()
	if len(majors) == 0 || majors[0] >= 17 || majors[len(majors)-1] < 17 {
		t.Skip("the installed PostgreSQL versions are not on both sides of 17; CI runs this with several")
	}
	oldest, tools := harness.Major(majors[0]), "pg_bin_dir="+harness.BinDir(t, majors[len(majors)-1])
	src, dst := harness.Start(t, oldest), harness.Start(t, oldest)
	for _, db := range []string{"first", "second"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000); CREATE VIEW v AS SELECT * FROM t")
	}
	harness.Shop(t, src, "shop") // large enough for several jobs
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), tools)
	p.DestinationAdd("dst", dst.URL(""), tools, "exit_on_error=true")
	snapshot := p.MustBackup("@mypg")
	for _, jobs := range []string{"1", "3"} {
		result := p.Restore("@dst", snapshot, "-o", "recreate=true", "-o", "jobs="+jobs)
		ok(t, result)
		if strings.Contains(result.Output(), "transaction_timeout") {
			t.Errorf("jobs=%s: a warning about nothing:\n%s", jobs, result.Output())
		}
		harness.CompareClusters(t, src, dst)
		for _, db := range []string{"first", "second"} {
			dst.Exec(t, "postgres", "DROP DATABASE "+db)
		}
	}
	dst.Exec(t, "postgres", "CREATE DATABASE first")
	dst.Exec(t, "first", "CREATE TABLE t (other text)")
	result := p.Restore("@dst", snapshot, "-o", "databases=first,second")
	failed(t, result, `database "first"`, `relation "t" already exists`, "exit_on_error: stopped at the first error")
	query(t, dst, "postgres", exists("second"), "0")
}

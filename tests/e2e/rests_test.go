package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Where it is not known how values of type money were written, a warning says so.
func TestMoneyWarning(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the warning is ours")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", "CREATE TABLE t (x int, m money); INSERT INTO t VALUES (1, 12.34)")
	for layout, path := range map[string]string{"single": ":/00001-first.dump", "tables": ":/00001-first"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=1kB", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		_, restore := s.destination(t)
		for part, want := range map[string]bool{"": false, path: true} {
			r := restore(part, "recreate=true")
			ok(t, r)
			if got := strings.Contains(r.Output(), "columns of type money"); got != want {
				t.Errorf("%s%s: warning %t, want %t\n%s", layout, part, got, want, r.Output())
			}
		}
	}
	s.plakar.SourceAdd("marked", s.server.URL("first")+"?options=-c%20lc_monetary%3DC.UTF-8", s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@marked")
	_, restore := s.destination(t)
	if r := restore(""); !strings.Contains(r.Output(), "written with lc_monetary=C.UTF-8") {
		t.Errorf("no warning:\n%s", r.Output())
	}
}

// A library that is not there keeps everybody out; the error says what a superuser can do.
func TestPreloadMissing(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the setting is old")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", "CREATE TABLE t (x int)")
	s.server.Exec(t, "postgres", "ALTER DATABASE first SET session_preload_libraries = 'nosuch'")
	s.plakar.SourceAdd("mypg", s.server.URL("first"), s.server.BinDirOption())
	failed(t, s.plakar.Run("backup", "@mypg"), "nosuch", "hint:", "session_preload_libraries=")
	s.plakar.SourceAdd("without", s.server.URL("first")+"?options=-c%20session_preload_libraries%3D", s.server.BinDirOption())
	s.plakar.MustBackup("@without")
}

// A schema that the restore makes itself is opened by no default privileges of the target.
func TestDefaultPrivilegesOfMadeSchema(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "default privileges of schemas are old")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", "CREATE ROLE app; CREATE ROLE reader; CREATE SCHEMA shut; CREATE TABLE shut.t (x int); GRANT USAGE ON SCHEMA shut TO reader")
	s.plakar.SourceAdd("mypg", s.server.URL("first"), "tables=shut.t", s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	dst.Exec(t, "postgres", "CREATE DATABASE first")
	dst.Exec(t, "first", "CREATE ROLE app; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO app; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app")
	const may = "SELECT has_schema_privilege('app', 'shut', 'USAGE'), has_table_privilege('app', 'shut.t', 'SELECT')"
	ok(t, restore(""))
	query(t, dst, "first", may+", has_schema_privilege('reader', 'shut', 'USAGE')", "f|f|t")
	dst.Exec(t, "first", "DROP SCHEMA shut CASCADE")
	ok(t, restore("", "no_privileges=true"))
	query(t, dst, "first", may, "t|t")
}

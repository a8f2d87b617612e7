package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// spanish starts a server that says everything in Spanish.
func spanish(t *testing.T) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Conf("lc_messages = 'es_AR.UTF-8'"))
	if err := s.TryExec("postgres", "SELECT * FROM nosuch"); err == nil || !strings.Contains(err.Error(), "no existe la relación") {
		harness.Missing(t, "the server's messages are not translated: run tests/setup/locale.sh, and install PostgreSQL's message catalogues: %v", err)
	}
	return s
}

// What the server does not send is found whatever its words for that are.
func TestPhysicalOmissionInAnotherLanguage(t *testing.T) {
	t.Parallel()
	s := spanish(t)
	bigTable(t, s, "big", 1, "pg_default")
	file := s.QueryText(t, "postgres", "SELECT pg_relation_filepath('big')")
	s.Stop(harness.Fast)
	must(t, os.Mkdir(filepath.Join(s.DataDir, "log"), 0o700))
	moveAway(t, s, "log")
	s.Start(t)
	for _, method := range []string{"protocol", "pg_basebackup"} {
		p := physical(t, s, "method="+method)
		_, result := p.Backup("@phys")
		ok(t, result)
		if !strings.Contains(result.Message(), `log\" in the data directory is neither`) && !strings.Contains(result.Stderr, `log\" in the data directory is neither`) {
			t.Errorf("%s: no warning:\n%s", method, result.Output())
		}
	}
	s.Stop(harness.Fast)
	moveAway(t, s, file)
	s.Start(t)
	for _, method := range []string{"protocol", "pg_basebackup"} {
		p := physical(t, s, "method="+method)
		failed(t, p.Run("backup", "@phys"), `the server did not send "`+file+`"`)
		if left := p.Snapshots(); len(left) > 0 {
			t.Errorf("%s: snapshots %q", method, left)
		}
	}
}

// Nor does a logical backup or restore depend on words: a database that is gone, roles that are there,
// a grantor that is not, rows that are refused at first.
func TestLogicalInAnotherLanguage(t *testing.T) {
	t.Parallel()
	src, dst := spanish(t), spanish(t)
	for _, db := range []string{"gone", "shop"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
	}
	src.Exec(t, "postgres", "CREATE ROLE app LOGIN PASSWORD 'saved'; CREATE ROLE prov CREATEROLE; CREATE ROLE readers; GRANT readers TO prov WITH ADMIN OPTION; SET ROLE prov; GRANT readers TO app")
	src.Exec(t, "shop", `CREATE TABLE zlimits (x int); INSERT INTO zlimits VALUES (100);
		CREATE FUNCTION below(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < x FROM public.zlimits';
		CREATE TABLE t (x int CHECK (below(x) IS TRUE)); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app;
		CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; CREATE PUBLICATION p FOR TABLE t`)
	p := harness.NewPlakar(t)
	p.SourceAdd("src", src.URL(""), toolsWith(t, src, "pg_dumpall", "*--globals-only*", "DROP DATABASE IF EXISTS gone"), "jobs=1")
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	dst.Exec(t, "postgres", "CREATE ROLE app; CREATE ROLE readers")
	snapshot, result := p.Backup("@src")
	ok(t, result)
	if want := `database "gone" was dropped before its dump began`; !strings.Contains(result.Message(), want) {
		t.Errorf("no warning:\n%s", result.Output())
	}
	for _, options := range []string{"jobs=2", "clean=true jobs=2", "recreate=true jobs=2"} {
		ok(t, p.Restore("@dst", snapshot, flags(strings.Fields(options))...))
		query(t, dst, "shop", countT+"; "+ownerT+"; SELECT count FROM m", "1\napp\n1")
	}
	failed(t, p.Restore("@dst", snapshot, "-o", "databases=shop"), "«t»")
	query(t, dst, "shop", countT, "1")
}

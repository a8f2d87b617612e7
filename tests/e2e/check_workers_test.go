package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// What a cluster does by itself it does not do in a check: no job of pg_cron runs, no
// subscription goes to its publisher.
func TestCheckWorkers(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "pg_cron is there for the machine's own PostgreSQL")
	publisher, src := harness.Start(t, harness.Conf("wal_level = logical")), harness.Start(t, harness.Fresh())
	if src.QueryText(t, "postgres", "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'") != "1" {
		harness.Missing(t, "pg_cron is not installed: run tests/setup/cron.sh")
	}
	ran := filepath.Join(src.Dir(t, "jobs"), "ran")

	src.Exec(t, "postgres", "ALTER SYSTEM SET shared_preload_libraries = 'pg_cron'")
	src.WriteFile(t, "cron.conf", "cron.database_name = 'postgres'\ncron.use_background_workers = on\n")
	text, err := os.ReadFile(filepath.Join(src.DataDir, "postgresql.conf"))
	must(t, err)
	src.WriteFile(t, "postgresql.conf", string(text)+"include 'cron.conf'\n")
	src.Stop(harness.Fast)
	src.Start(t)
	src.Exec(t, "postgres", "CREATE EXTENSION pg_cron")
	src.Exec(t, "postgres", "SELECT cron.schedule('@reboot', $$COPY (SELECT current_setting('data_directory')) TO PROGRAM 'cat >> "+ran+"'$$)")
	const table = "CREATE TABLE t (x int PRIMARY KEY)"
	publisher.Exec(t, "postgres", table+"; CREATE PUBLICATION all_of_it FOR ALL TABLES")
	src.Exec(t, "postgres", table)
	src.Exec(t, "postgres", "CREATE SUBSCRIPTION sub CONNECTION "+harness.Literal(publisher.URL("postgres"))+" PUBLICATION all_of_it")
	src.Stop(harness.Fast)
	src.Start(t)
	eventually(t, "the job and the subscription of the original", func() bool {
		text, _ := os.ReadFile(ran)
		return strings.Contains(string(text), src.DataDir) && publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_replication") == "1"
	})
	must(t, os.Remove(ran))

	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	src.Stop(harness.Fast)
	eventually(t, "the end of the original's subscription", func() bool {
		return publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_replication") == "0"
	})
	c := newProof(t, p, src)
	psql, remove := kept(t, p.MustRun(c.args(snapshot, "keep=true")...))
	workers := psql + ` -XAtc "SELECT count(*), current_setting('shared_preload_libraries'), (SELECT count(*) FROM pg_subscription WHERE subenabled)
		FROM pg_stat_activity WHERE backend_type ~ 'cron|logical'"`
	if out := shellOf(t, src, workers); out != "0|pg_cron|1\n" {
		t.Errorf("the kept server says %q", out)
	}
	query(t, publisher, "postgres", "SELECT count(*) FROM pg_stat_replication", "0")
	shellOf(t, src, remove)
	if text, err := os.ReadFile(ran); err == nil {
		t.Errorf("the job ran in %s", text)
	}
	c.empty()
}

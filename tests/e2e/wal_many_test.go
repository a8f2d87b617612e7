package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Many runs in a row under load, every tenth of which is killed: no gap, and what was committed before the
// last one began is there, also what is in a tablespace.
func TestWALManyRuns(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "killing is the same everywhere")
	s := harness.Start(t, walConf, smallWAL, harness.Conf("wal_keep_size = 0", "max_wal_size = '4MB'", "min_wal_size = '2MB'"))
	tool(t, s, "postgres", "pgbench", "--initialize", "--quiet")
	withTablespace(t, s)
	p := physical(t, s)
	p.SourceAdd("wal", walURL(s))
	begin := walOf(t, p, p.MustBackup("@wal")).Begin
	r := restoredBase(t, p, s, "tablespaces=elsewhere="+filepath.Join(harness.Reserve(t, s.Major).SocketDir, "elsewhere"))
	s.Exec(t, "postgres", "INSERT INTO far SELECT generate_series(1001, 2000), 'new'")
	load := exec.Command(s.Tool("pgbench"), "--time=3600", "--rate=100", "--client=2", "--no-vacuum") //nolint:gosec // a tool
	load.Env = s.Env("postgres")
	must(t, load.Start())
	t.Cleanup(func() { _ = load.Process.Kill(); _ = load.Wait() })
	done := func() int {
		n, err := strconv.Atoi(s.QueryText(t, "postgres", "SELECT count(*) FROM pgbench_history"))
		must(t, err)
		return n
	}
	for i := 1; i < harness.Count(20, 200); i++ {
		s.Exec(t, "postgres", "SELECT pg_switch_wal()")
		if i%10 != 0 {
			p.MustBackup("@wal")
			continue
		}
		run := p.Start("backup", "@wal")
		eventually(t, "the stream", func() bool {
			return s.QueryText(t, "postgres", "SELECT active FROM pg_replication_slots") == "t" || over(run)
		})
		run.Kill()
		run.Wait()
		eventually(t, "the slot to be free", func() bool { return s.QueryText(t, "postgres", "SELECT active FROM pg_replication_slots") == "f" })
	}
	committed := done()
	last := p.MustBackup("@wal")
	if m := walOf(t, p, last); m.Begin != begin || m.Gap != nil {
		t.Errorf("the WAL began at %s: %+v", begin, m)
	}
	walSegments(t, p, last)
	_ = load.Process.Kill()
	got, _ := r.recover(t, last)
	promoted(t, got)
	n, err := strconv.Atoi(got.QueryText(t, "postgres", "SELECT count(*) FROM pgbench_history"))
	if must(t, err); n < committed {
		t.Errorf("%d transactions, of %d that were committed", n, committed)
	}
	query(t, got, "postgres", "SELECT count(*), count(*) FILTER (WHERE md5 = 'new') FROM far", "2000|1000")
	query(t, got, "postgres", "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta) FROM pgbench_history", "t")
}

package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A primary with a synchronous standby: no commit waits for a run, and when the primary dies in the middle of
// one, the promoted standby is backed up in its place. Whatever was committed can be had.
func TestWALFailover(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "replication of the WAL is old")
	harness.OwnToolsOnly(t, "no tool of the client is used")
	primary := harness.Start(t, harness.Fresh(), walConf, smallWAL)
	clock(t, primary)
	tool(t, primary, "postgres", "pgbench", "--initialize", "--quiet")
	p := physical(t, primary)
	p.SourceAdd("wal", walURL(primary))
	p.MustBackup("@wal")
	r := restoredBase(t, p, primary)
	begin := walOf(t, p, p.Snapshots()[1]).Begin

	standby := follow(t, primary, "second")
	primary.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
	tick(t, primary, 1)
	fill(t, primary, 1)
	p.MustBackup("@wal")
	fill(t, primary, 30)
	run := frozen(t, p, primary, "@wal")
	committed := make(chan error, 1)
	go func() {
		committed <- primary.TryExec("postgres", "SET synchronous_commit = remote_apply; INSERT INTO filled VALUES ('no wait')")
	}()
	select {
	case err := <-committed:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("a commit waits for a run that does not go on")
	}
	second := tick(t, primary, 2)
	last := tick(t, primary, 3)
	primary.Stop(harness.Crash)
	signalAll(p, syscall.SIGCONT)
	if result := run.Wait(); result.ExitCode != 1 {
		t.Errorf("the run ends with %d:\n%s", result.ExitCode, result.Output())
	}

	standby.Exec(t, "postgres", "SELECT pg_promote()")
	last.asAt(t, promoted(t, standby))
	standby.Stop(harness.Fast)
	standby.Port = primary.Port // it takes over the address
	standby.Start(t)
	var end moment
	for id := 4; id <= 5; id++ {
		end = tick(t, standby, id)
		fill(t, standby, 1)
		snapshot := p.MustBackup("@wal")
		if m := walOf(t, p, snapshot); m.Timeline != 2 || len(m.History) != 1 || m.Begin != begin || m.Gap != nil {
			t.Errorf("the WAL began at %s: %+v", begin, m)
		}
		walSegments(t, p, snapshot)
	}
	for option, want := range map[string]moment{"target_timeline=latest": end, "target_time=" + last.time: last, "target_lsn=" + second.lsn: second} {
		got, _ := r.recover(t, p.Snapshots()[0], option)
		want.asAt(t, promoted(t, got))
	}
}

// follow makes a standby of that name, and waits until it has all of the primary's WAL.
func follow(t *testing.T, primary *harness.Server, name string) *harness.Server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	tool(t, primary, "postgres", "pg_basebackup", "-D", dir, "-X", "stream", "-c", "fast")
	put(t, filepath.Join(dir, "standby.signal"), "")
	conninfo := strings.ReplaceAll(primary.URL("postgres"), "'", "''") + "?application_name=" + name
	standby := harness.Adopt(t, dir, walConf, harness.Conf("max_connections = 40", "primary_conninfo = '"+conninfo+"'"))
	eventually(t, "the standby to follow", func() bool {
		return primary.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '"+name+"'") == "1"
	})
	return standby
}

// frozen is a run that has been stopped while it streams. Its first look at the slot is soon over.
func frozen(t *testing.T, p *harness.Plakar, s *harness.Server, source string) *harness.Process {
	t.Helper()
	run := p.Start("backup", source)
	t.Cleanup(func() { signalAll(p, syscall.SIGCONT) })
	for !over(run) {
		s.Exec(t, "postgres", `DO $$ BEGIN
			FOR n IN 1..1000 LOOP
				PERFORM pg_stat_clear_snapshot();
				EXIT WHEN EXISTS (SELECT FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid AND slot_name = 'plakar' WHERE state IN ('catchup', 'streaming'));
				PERFORM pg_sleep(0.001);
			END LOOP; END $$`)
		signalAll(p, syscall.SIGSTOP)
		if s.QueryText(t, "postgres", "SELECT active FROM pg_replication_slots") == "t" {
			return run
		}
		signalAll(p, syscall.SIGCONT)
	}
	t.Fatal("the run ended before it was stopped while it streamed")
	return nil
}

// signalAll sends a signal to plakar and the plugin.
func signalAll(p *harness.Plakar, signal syscall.Signal) {
	for pid := range p.Processes() {
		_ = syscall.Kill(pid, signal)
	}
}

package e2e

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Whoever waits for a lock when plakar ends must not go on waiting: whatever comes
// after it in the lock's queue would have to wait as well.
func TestEndsWhileWaitingForLock(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session holds the locks and the snapshot")
	for name, end := range map[string]func(*testing.T, source, *harness.Process){
		"Ctrl-C":  func(_ *testing.T, _ source, run *harness.Process) { run.Interrupt() },
		"SIGTERM": func(_ *testing.T, _ source, run *harness.Process) { run.Signal(syscall.SIGTERM) },
		"SIGKILL": func(_ *testing.T, _ source, run *harness.Process) { run.Kill() },
		"SIGKILL of all": func(t *testing.T, s source, run *harness.Process) {
			pids := s.plakar.Processes()
			if len(pids) < 3 {
				t.Errorf("processes %v: want plakar and the plugin's two", pids)
			}
			for pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			run.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
			s.server.Exec(t, "postgres", "CREATE DATABASE first")
			s.server.Exec(t, "first", "CREATE TABLE t (x int)")
			conn := s.server.Connect(t, "first")
			if _, err := conn.Exec(context.Background(), "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE"); err != nil {
				t.Fatal(err)
			}
			s.plakar.SourceAdd("mypg", s.server.URL("first"), append(inParts, s.server.BinDirOption())...)
			run := s.plakar.Start("backup", "@mypg")
			const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plakar%' AND wait_event_type = 'Lock'"
			eventually(t, "a session that waits", func() bool { return s.server.QueryText(t, "postgres", waiting) != "0" })
			end(t, s, run)
			const sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plakar%'"
			within(t, 5*time.Second, "no session left", func() bool { return s.server.QueryText(t, "postgres", sessions) == "0" })
			nothingLeft(t, s.plakar, nil)
		})
	}
}

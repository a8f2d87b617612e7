//go:build linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// moment is one of a few milliseconds at the end of a physical restore: right after the
// worker's first call of that name, on that directory of the data directory.
type moment struct {
	call, dir string
}

// The last steps of a restore. See persist in exporter/physical.
var (
	synced   = moment{"syncfs", "."}        // everything but what follows is on disk
	unmarked = moment{"fsync", "."}         // nothing says any more that the restore goes on
	named    = moment{"renameat", "global"} // pg_control has its name
)

// at runs a physical restore up to a moment, and breaks something then.
func at(m moment, act func(s *scene, run *harness.Process, worker int)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		run := s.rebuild()
		s.written("PG_VERSION")
		worker := s.worker()
		s.hold(worker, m)
		act(s, run, worker)
		return s.end(run)
	}
}

// hold waits until the worker has made the call, and stops it there.
func (s *scene) hold(pid int, m moment) {
	s.Helper()
	program, err := exec.LookPath("strace")
	if err != nil {
		harness.Missing(s, "no strace, which stops the plugin at the right moment; run tests/setup/tools.sh")
	}
	log := filepath.Join(s.TempDir(), "strace")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--follow-forks", "--output="+log, "--trace="+m.call, //nolint:gosec // a tool
		"--trace-path="+filepath.Join(s.dataDir(), m.dir), "--inject="+m.call+":signal=SIGSTOP:when=1", fmt.Sprintf("--attach=%d", pid))
	said := new(strings.Builder)
	cmd.Stderr = said
	must(s, cmd.Start())
	defer func() {
		cancel() // the worker stays stopped
		if _ = cmd.Wait(); s.Failed() {
			s.Logf("strace: %s", said)
		}
	}()
	s.until("the worker is stopped behind "+m.call, eventually, func() bool {
		seen, _ := os.ReadFile(log) //nolint:gosec // ours
		return bytes.Contains(seen, []byte("stopped by SIGSTOP"))
	})
}

// worker returns the process ID of the plugin's worker.
func (s *scene) worker() int {
	s.Helper()
	return s.pluginRuns(true)
}

// pluginRuns waits for one of the plugin's two processes: the worker, or the one in front of it.
func (s *scene) pluginRuns(worker bool) (pid int) {
	s.Helper()
	what := "the plugin's front runs"
	if worker {
		what = "the plugin's worker runs"
	}
	s.until(what, eventually, func() bool {
		pid = s.pluginProcess(worker)
		return pid != 0
	})
	return pid
}

// pluginProcess finds one of the plugin's two processes; 0 if it is not there. A guard is the
// same program, and a scratch server's has a name like it.
func (s *scene) pluginProcess(worker bool) int {
	for id := range s.processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if len(args) > 1 && (args[1] == "importer" || args[1] == "exporter") && (args[len(args)-1] == "worker") == worker {
			return id
		}
	}
	return 0
}

// killPlugin kills both of the plugin's processes. They are looked for first: one of them ends
// soon after the other.
func (s *scene) killPlugin() {
	s.Helper()
	for _, pid := range []int{s.pluginRuns(true), s.pluginRuns(false)} {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// endPlugin kills one of the plugin's two processes: the worker, or the one in front of it.
func (s *scene) endPlugin(worker bool) {
	s.Helper()
	_ = syscall.Kill(s.pluginRuns(worker), syscall.SIGKILL)
}

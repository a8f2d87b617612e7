//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// scratchDir is where the scene's check makes its directory.
func (s *scene) scratchDir() string {
	s.Helper()
	if s.directory == "" {
		s.directory = harness.Reserve(s, s.stage.server.Major).Dir(s, "x")
	}
	return s.directory
}

// prove starts a check.
func (s *scene) prove(options ...string) *harness.Process {
	s.Helper()
	if os.Getenv("PG_IMAGE") != "" {
		s.Skip("with servers in containers, this machine has no server programs for a scratch server")
	}
	if s.snapshot == "" {
		b := s.stage.physicalBase()
		s.plakar.Store, s.snapshot = b.store, b.snapshot
	}
	uid := harness.ServerUID(s)
	owner := fmt.Sprintf("owner=%d", uid)
	if _, err := user.LookupId(fmt.Sprint(uid)); err != nil {
		owner = fmt.Sprintf("owner=%d:%d", uid, uid)
	}
	args := []string{"restore", "-to", "postgres+check://" + s.scratchDir()}
	for _, o := range append([]string{owner, "pg_bin_dir=" + s.server.BinDir}, options...) {
		args = append(args, "-o", o)
	}
	return s.plakar.Start(append(args, s.snapshot)...)
}

// prepare leaves a base backup for WAL.
func (s *scene) prepare() harness.Result {
	s.Helper()
	b := s.stage.walBase()
	s.plakar.Store, s.snapshot = b.store, b.base
	return s.end(s.prove("prepare=true"))
}

// proveWAL starts a check of WAL, and returns when the base backup is changed.
func (s *scene) proveWAL() *harness.Process {
	s.Helper()
	if result := s.prepare(); result.ExitCode != 0 {
		s.Fatal(result.Output())
	}
	s.snapshot = s.stage.walBase().whole
	run := s.prove()
	s.proving("data/global/pg_control.plakar-wal-incomplete")
	return run
}

// baseWaits is what preparing a base backup leaves.
var baseWaits = outcome{"the base backup that was prepared anew, and nothing else", func(s *scene) {
	s.Helper()
	if left := mustRead(s.T, s.scratchDir()); len(left) != 1 || left[0].Name() != "plakar-prepared" {
		s.Errorf("there are %v", left)
	}
}}

// proving waits until the check has made a file or directory, "" for its own directory, and
// returns its path.
func (s *scene) proving(name string) (path string) {
	s.Helper()
	s.until("the check has made "+name, eventually, func() bool {
		found, _ := filepath.Glob(filepath.Join(s.scratchDir(), "plakar-check-*", name))
		found = slices.DeleteFunc(found, func(p string) bool { return strings.HasSuffix(p, ".new") })
		if len(found) > 0 {
			path = found[0]
		}
		return path != ""
	})
	return path
}

// nothingKept is what a check leaves.
var nothingKept = outcome{"nothing: neither a process nor a file", func(s *scene) {
	s.Helper()
	var left string
	s.until("the scratch directory is empty", soon, func() bool {
		entries, _ := os.ReadDir(s.scratchDir())
		left = fmt.Sprint(entries)
		return len(entries) == 0
	}, &left)
	s.until("no process is there", soon, func() bool {
		links, _ := filepath.Glob("/proc/[0-9]*/cwd")
		return !slices.ContainsFunc(links, func(link string) bool {
			dir, _ := os.Readlink(link)
			return strings.HasPrefix(dir, s.scratchDir())
		})
	})
}}

// whileProving runs a check and breaks something when it has come to a point.
func whileProving(name string, act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		run := s.prove()
		s.proving(name)
		if name == serverRuns {
			// It does not answer, so that the check waits for it. It cannot even be asked to end.
			s.signalServer(syscall.SIGSTOP)
		}
		act(s, run)
		return s.end(run)
	}
}

// killGuard kills the process that removes everything.
func (s *scene) killGuard() {
	s.Helper()
	var pid int
	s.until("the guard runs", eventually, func() bool {
		for id := range s.processes() {
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
			if strings.Contains(string(args), "\x00guard\x00") {
				pid = id
			}
		}
		return pid != 0
	})
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// signalServer sends a signal to the first process of the scratch server.
func (s *scene) signalServer(signal syscall.Signal) {
	s.Helper()
	var pid int
	s.until("the scratch server runs", eventually, func() bool {
		text, _ := os.ReadFile(s.proving(serverRuns))
		_, err := fmt.Sscan(string(text), &pid)
		return err == nil
	})
	must(s, syscall.Kill(pid, signal))
}

// serverRuns is the file that is there when the scratch server runs.
const serverRuns = "data/postmaster.pid"

// proofEndings are how a check can be ended.
func proofEndings() []fault {
	var all []fault
	for _, stage := range []struct{ name, file, what string }{
		{"early", "", "at its beginning"}, {"files", "data/base/1/1259", "while files are restored"}, {"server", serverRuns, "while the scratch server runs, and does not answer"},
	} {
		all = append(all,
			fault{
				name: "check, Ctrl-C, " + stage.name, what: "Ctrl-C " + stage.what, exit: 1, oneOf: slices.Concat(stoppedWords, []string{"EOF"}), target: nothingKept,
				do: whileProving(stage.file, func(_ *scene, run *harness.Process) { run.Interrupt() }),
			},
			fault{
				name: "check, SIGKILL, " + stage.name, what: "plakar is killed (`kill -9`) " + stage.what, exit: killed, target: nothingKept, left: plakarsOwn,
				do: whileProving(stage.file, func(_ *scene, run *harness.Process) { run.Kill() }),
			},
			fault{
				name: "check, worker killed, " + stage.name, what: pluginKilled + ", " + stage.what, exit: 1, says: []string{"EOF"}, target: nothingKept,
				do: whileProving(stage.file, func(s *scene, _ *harness.Process) { s.endPlugin(true) }),
			},
			fault{
				name: "check, front killed, " + stage.name, what: frontKilled + ", " + stage.what, exit: 1, oneOf: frontDied, target: nothingKept,
				do: whileProving(stage.file, func(s *scene, _ *harness.Process) { s.endPlugin(false) }),
			},
		)
	}
	return all
}

var proofFaults = []fault{
	{
		name: "check, no room", what: "there is less room than the cluster needs",
		exit: 1, says: []string{"free, the cluster needs", "give a directory with more room"}, target: nothingKept,
		do: func(s *scene) harness.Result {
			s.small(s.scratchDir(), "16m")
			return s.end(s.prove())
		},
	},
	{
		name: "check, full disk", what: "the file system becomes full while files are restored",
		exit: 1, says: []string{"did not pass the check", "no space left on device"}, target: nothingKept,
		do: func(s *scene) harness.Result {
			s.small(s.scratchDir(), "300m")
			run := s.prove()
			s.proving("data/backup_label")
			s.fill(filepath.Join(filepath.Dir(filepath.Dir(s.proving("data/backup_label"))), "filler"), 0)
			return s.end(run)
		},
	},
	{
		name: "check, timeout", what: "the check takes longer than `timeout`",
		exit: 1, says: []string{"did not pass the check", `option "timeout": the check took longer than 400ms`}, target: nothingKept,
		do: func(s *scene) harness.Result { return s.end(s.prove("timeout=400ms")) },
	},
	{
		name: "check, server killed", what: "the scratch server's first process is killed (`kill -9`)",
		exit: 1, says: []string{"did not pass the check"}, target: nothingKept,
		do: whileProving(serverRuns, func(s *scene, _ *harness.Process) { s.signalServer(syscall.SIGKILL) }),
	},
	{
		name: "check, guard killed", what: "the process that removes everything is killed (`kill -9`)",
		exit: 0, target: nothingKept,
		do: whileProving("data/PG_VERSION", func(s *scene, _ *harness.Process) { s.killGuard() }),
	},
	{
		name: "check, all killed", what: "plakar, the plugin's processes and the one that removes everything are killed (`kill -9`); another check follows",
		exit: 0, target: nothingKept,
		do: func(s *scene) harness.Result {
			run := s.prove()
			s.proving(serverRuns)
			s.signalServer(syscall.SIGSTOP)
			s.killGuard()
			s.killPlugin()
			run.Kill()
			s.end(run)
			if left, _ := os.ReadDir(s.scratchDir()); len(left) != 1 {
				s.Errorf("it left %v", left)
			}
			return s.end(s.prove("level=start"))
		},
	},
	{
		name: "check, WAL, SIGKILL", what: "plakar is killed (`kill -9`) while WAL is added to a prepared base backup",
		exit: killed, target: nothingKept, left: plakarsOwn,
		do: func(s *scene) harness.Result {
			run := s.proveWAL()
			run.Kill()
			return s.end(run)
		},
	},
	{
		name: "check, WAL, all killed", what: "plakar, the plugin's processes and the one that removes everything are killed (`kill -9`) while WAL is added to a prepared base backup; one is prepared anew",
		exit: 0, target: baseWaits,
		do: func(s *scene) harness.Result {
			run := s.proveWAL()
			s.killGuard()
			s.killPlugin()
			run.Kill()
			s.end(run)
			return s.prepare()
		},
	},
}

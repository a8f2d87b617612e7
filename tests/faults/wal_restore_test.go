//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// walBase is a base backup that was restored and not started, and a snapshot of the WAL behind it.
type walBase struct {
	restored, store, base, whole, holed, hole string
}

// segments is how many there are at least.
const segments = 8

// walBase makes it once for all.
func (st *stage) walBase() walBase {
	st.onceWAL.Do(func() {
		t := st.t
		server := harness.Start(t, harness.Conf("wal_keep_size = '1GB'", "max_wal_size = '2GB'"))
		p := harness.NewPlakar(t)
		p.SourceAdd("phys", "postgres+bin"+server.URL("")[len("postgres"):], server.BinDirOption())
		b := walBase{store: p.Store, restored: filepath.Join(harness.Reserve(t, server.Major).Dir(t, "restored"), "data")}
		b.base = p.MustBackup("@phys")
		p.MustRestore("postgres+bin://"+b.restored, b.base, harness.OwnerOption(t)...)
		first := server.QueryText(t, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
		dir := t.TempDir()
		for n := range segments {
			server.Exec(t, "postgres", fmt.Sprintf("CREATE TABLE t%d AS SELECT g, md5(g::text) FROM generate_series(1, 50000) g; SELECT pg_switch_wal()", n))
		}
		last := server.QueryText(t, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
		for _, entry := range mustRead(t, filepath.Join(server.DataDir, "pg_wal")) {
			if name := entry.Name(); len(name) == len(first) && name >= first && name <= last {
				text, err := os.ReadFile(filepath.Join(server.DataDir, "pg_wal", name)) //nolint:gosec // a test's own
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				b.hole = name
			}
		}
		b.whole = p.MustBackup(dir) + ":" + dir
		names := mustRead(t, dir)
		b.hole = names[len(names)/2].Name()
		if err := os.Remove(filepath.Join(dir, b.hole)); err != nil {
			t.Fatal(err)
		}
		b.holed = p.MustBackup(dir) + ":" + dir
		st.wal = b
	})
	return st.wal
}

func mustRead(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// walStage is the part of a stage that restores of WAL share.
type walStage struct {
	onceWAL sync.Once
	wal     walBase
}

// recover starts a restore of WAL into the scene's copy of the base backup.
func (s *scene) recover(options ...string) *harness.Process {
	s.Helper()
	b := s.stage.walBase()
	if s.snapshot == "" {
		s.plakar.Store, s.snapshot = b.store, b.whole
	}
	if _, err := os.Lstat(s.dataDir()); err != nil {
		if out, err := exec.Command("cp", "-a", b.restored, s.dataDir()).CombinedOutput(); err != nil { //nolint:gosec // a test's own
			s.Fatalf("%v: %s", err, out)
		}
	}
	args := []string{"restore", "-to", "postgres+bin://" + s.dataDir()}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	return s.plakar.Start(append(args, s.snapshot)...)
}

// midway restores WAL and breaks something when the first segment is there.
func midway(act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		run := s.recover()
		s.written("global/pg_control.plakar-wal-incomplete") // before that, nothing was changed
		act(s, run)
		return s.end(run)
	}
}

// completed is what the failures of a restore of WAL have in common.
var completed = outcome{"what was written before; it cannot be started; a restore of the whole WAL completes it", func(s *scene) {
	s.Helper()
	s.cannotStart()
	s.snapshot = s.stage.walBase().whole
	if result := s.end(s.recover()); result.ExitCode != 0 {
		s.Errorf("the restore cannot be completed: %s", result.Output())
	}
	for name, there := range map[string]bool{
		"global/pg_control": true, "plakar-restore-incomplete": false, "global/pg_control.plakar-wal-incomplete": false, "pg_wal/plakar/incoming.tmp": false,
	} {
		if _, err := os.Lstat(filepath.Join(s.dataDir(), name)); (err == nil) != there {
			s.Errorf("%s is there: %v", name, err == nil)
		}
	}
	names, err := filepath.Glob(filepath.Join(s.dataDir(), "pg_wal/plakar/0*"))
	if err != nil || len(names) < segments {
		s.Errorf("segments: %q %v", names, err)
	}
}}

// kept is where nothing was changed.
var kept = outcome{"nothing was changed", func(s *scene) {
	s.Helper()
	if _, err := os.Lstat(filepath.Join(s.dataDir(), "pg_wal/plakar")); err == nil {
		s.Error("WAL was written")
	}
	if _, err := os.Lstat(filepath.Join(s.dataDir(), "global/pg_control")); err != nil {
		s.Error(err)
	}
}}

var walRestoreFaults = []fault{
	{
		name: "WAL restore, Ctrl-C", what: "WAL: Ctrl-C while segments are written", exit: 1, oneOf: slices.Concat(stoppedWords, []string{"EOF"}), target: completed,
		do: midway(func(_ *scene, run *harness.Process) { run.Interrupt() }),
	},
	{
		name: "WAL restore, SIGKILL", what: "WAL: plakar is killed (`kill -9`) while segments are written", exit: killed, target: completed, left: plakarsOwn,
		do: midway(func(_ *scene, run *harness.Process) { run.Kill() }),
	},
	{
		name: "WAL restore, worker killed", what: "WAL: " + pluginKilled + ", while segments are written", exit: 1, says: []string{"EOF"}, target: completed,
		do: midway(func(s *scene, _ *harness.Process) { s.endPlugin(true) }),
	},
	{
		name: "WAL restore, full disk", what: "WAL: the file system is full",
		exit: 1, says: []string{`restoring "`, "no space left on device", "cannot be started; to complete it, restore the same WAL snapshot into it again"}, target: completed,
		do: func(s *scene) harness.Result {
			disk := filepath.Join(s.dataDir(), "pg_wal/plakar")
			s.snapshot, s.plakar.Store = s.stage.walBase().whole, s.stage.walBase().store
			out, err := exec.Command("cp", "-a", s.stage.walBase().restored, s.dataDir()).CombinedOutput() //nolint:gosec // a test's own
			if err == nil {
				err = os.Mkdir(disk, 0o700)
			}
			if err != nil {
				s.Fatalf("%v: %s", err, out)
			}
			s.small(disk, "40m")
			result := s.end(s.recover())
			must(s, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1g")) // for what completes it
			return result
		},
	},
	{
		name: "WAL restore, a segment is missing", what: "WAL: a segment is missing in the snapshot",
		exit: 1, says: []string{"WAL is missing from ", "(the segment ", "cannot be started; to complete it, restore another WAL snapshot into it, which has the WAL from "}, target: completed,
		do: func(s *scene) harness.Result {
			b := s.stage.walBase()
			s.plakar.Store, s.snapshot = b.store, b.holed
			result := s.end(s.recover())
			if !strings.Contains(result.Message(), "(the segment "+b.hole+")") {
				s.Errorf("%s is not named: %s", b.hole, result.Output())
			}
			return result
		},
	},
	{
		name: "WAL restore, two at once", what: "WAL: a second restore of WAL into the same directory begins while the first one writes",
		exit: 1, says: []string{"another restore of WAL into "}, target: oneComplete,
		do: func(s *scene) harness.Result {
			first := s.recover()
			s.written("plakar-restore-incomplete")
			result := s.end(s.recover())
			if won := s.end(first); won.ExitCode != 0 {
				s.Errorf("the first restore failed as well: %s", won.Output())
			}
			return result
		},
	},
	{
		name: "WAL restore, server started", what: "WAL: a server was started on the restored base backup",
		exit: 1, says: []string{"a server was started on the base backup that was restored there", "hint: to recover it again, up to another moment, empty it"}, target: kept,
		do: func(s *scene) harness.Result {
			must(s, os.MkdirAll(filepath.Dir(s.dataDir()), 0o700))
			out, err := exec.Command("cp", "-a", s.stage.walBase().restored, s.dataDir()).CombinedOutput() //nolint:gosec // a test's own
			if err != nil {
				s.Fatalf("%v: %s", err, out)
			}
			place := harness.Reserve(s, s.stage.server.Major)
			place.DataDir = s.dataDir()
			place.Start(s)
			place.Stop(harness.Fast)
			return s.end(s.recover())
		},
	},
	{
		name: "WAL restore, no base backup", what: "WAL: it is restored before a base backup is",
		exit: 1, says: []string{"this is WAL, and there is no base backup yet"}, target: notStartable,
		do: func(s *scene) harness.Result {
			b := s.stage.walBase()
			s.plakar.Store, s.snapshot = b.store, b.whole
			return s.end(s.plakar.Start(append(append([]string{"restore", "-to", "postgres+bin://" + s.dataDir()}, harness.OwnerOption(s)...), s.snapshot)...))
		},
	},
}

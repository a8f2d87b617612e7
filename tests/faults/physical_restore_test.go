//go:build linux

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// endings are how a restore can be ended, at an early and at a late moment.
func endings() []fault {
	var all []fault
	for _, stage := range []struct{ name, entry, what string }{
		{"early", "PG_VERSION", "at its beginning"}, {"halfway", "base/1/1259", "while files are written"}, {"late", "tablespaces", "while the last files are written"},
	} {
		all = append(all,
			fault{
				name: "physical restore, Ctrl-C, " + stage.name, what: "Ctrl-C " + stage.what, exit: 1, oneOf: slices.Concat(stoppedWords, []string{"EOF"}), target: notStartable,
				do: when(stage.entry, func(_ *scene, run *harness.Process) { run.Interrupt() }),
			},
			fault{
				name: "physical restore, SIGKILL, " + stage.name, what: "plakar is killed (`kill -9`) " + stage.what, exit: killed, target: notStartable, left: plakarsOwn,
				do: when(stage.entry, func(_ *scene, run *harness.Process) { run.Kill() }),
			},
			fault{
				name: "physical restore, worker killed, " + stage.name, what: pluginKilled + ", " + stage.what, exit: 1, says: []string{"EOF"}, target: notStartable,
				do: when(stage.entry, func(s *scene, _ *harness.Process) { s.endPlugin(true) }),
			},
			fault{
				name: "physical restore, front killed, " + stage.name, what: frontKilled + ", " + stage.what, exit: 1, oneOf: frontDied, target: notStartable,
				do: when(stage.entry, func(s *scene, _ *harness.Process) { s.endPlugin(false) }),
			},
		)
	}
	return all
}

// lastMoments are the endings while the restore becomes durable.
func lastMoments() []fault {
	var all []fault
	for _, stage := range []struct {
		moment
		name, what string
		target     outcome
	}{
		{synced, "synced", "when all is on disk but for the last steps", notStartable},
		{unmarked, "before the rename", "when only pg_control has not got its name", unnamed},
		{named, "behind the rename", "when pg_control has got its name", complete},
	} {
		all = append(all, fault{
			name: "physical restore, worker killed, " + stage.name, what: pluginKilled + ", " + stage.what, exit: 1, says: []string{"EOF"}, target: stage.target,
			do: at(stage.moment, func(s *scene, _ *harness.Process, _ int) { s.endPlugin(true) }),
		})
	}
	// The worker goes on for a moment: whether that is enough is left to chance.
	return append(all,
		fault{
			name: "physical restore, SIGKILL, synced", what: "plakar is killed (`kill -9`) while the last steps are made", exit: killed, target: completeOrNot, left: plakarsOwn,
			do: at(synced, func(_ *scene, run *harness.Process, worker int) {
				run.Kill()
				_ = syscall.Kill(worker, syscall.SIGCONT)
			}),
		},
		fault{
			name: "physical restore, front killed, synced", what: frontKilled + ", while the last steps are made", either: true, target: completeOrNot,
			do: func(s *scene) harness.Result {
				result := at(synced, func(s *scene, _ *harness.Process, worker int) {
					s.endPlugin(false)
					_ = syscall.Kill(worker, syscall.SIGCONT)
				})(s)
				if result.ExitCode == 0 {
					complete.check(s)
				}
				return result
			},
		},
	)
}

var physicalRestoreFaults = slices.Concat([]fault{
	{
		name: "physical restore, full disk", what: "the file system of the data directory is full",
		exit: 1, says: []string{`restoring "`, "no space left on device", "cannot be started; empty it before you restore again"}, target: notStartable,
		do: onSmall("8m", nil),
	},
	{
		name: "physical restore, full disk of a tablespace", what: "the file system of a tablespace is full",
		exit: 1, says: []string{`restoring "tablespaces/`, "no space left on device"}, target: notStartable,
		do: onSmall("4m", func(dir string) []string { return []string{"tablespaces=elsewhere=" + dir} }),
	},
	{
		name: "physical restore, full disk of the WAL", what: "the file system of the WAL directory is full",
		exit: 1, says: []string{`restoring "pg_wal/`, "no space left on device"}, target: notStartable,
		do: onSmall("4m", func(dir string) []string { return []string{"wal_dir=" + dir} }),
	},
	{
		name: "physical restore, made read-only", what: "the file system of the data directory becomes read-only",
		exit: 1, says: []string{"read-only file system"}, target: notStartable,
		do: func(s *scene) harness.Result {
			disk := s.TempDir()
			s.small(disk, "500m")
			s.directory = filepath.Join(disk, "data")
			run := s.rebuild()
			s.written("base/1")
			s.readOnly(disk)
			return s.end(run)
		},
	},
	{
		name: "physical restore, two at once", what: "a second restore into the same directory begins while the first one writes",
		exit: 1, says: []string{"is not empty: another restore into it is going on"}, target: oneComplete,
		do: func(s *scene) harness.Result {
			first := s.rebuild()
			s.written("base")
			result := s.end(s.rebuild())
			if won := s.end(first); won.ExitCode != 0 {
				s.Errorf("the first restore failed as well: %s", won.Output())
			}
			return result
		},
	},
	{
		name: "physical restore, into a running server", what: "the directory is that of a running server",
		exit: 1, says: []string{"is not empty: a server uses it"}, target: outcome{"the server goes on", func(s *scene) { s.server.Exec(s, "postgres", "CHECKPOINT") }},
		do: func(s *scene) harness.Result {
			s.directory = s.server.DataDir
			return s.end(s.rebuild())
		},
	},
	{
		name: "physical restore, flipped byte in the store", what: "a byte of the store's largest file differs",
		exit: 1, target: notStartable, oneOf: []string{"plakar stopped sending it", "are missing", "is not complete", "MAC", "corrupt", "decode", "unexpected"},
		do: func(s *scene) harness.Result {
			s.damaged()
			return s.end(s.rebuild())
		},
	},
	{
		name: "physical restore, unknown owner", what: "`owner` is a user that does not exist",
		exit: 1, says: []string{`option "owner": there is no user "nobody-of-that-name"`}, target: untouched,
		do: func(s *scene) harness.Result { return s.end(s.rebuild("owner=nobody-of-that-name")) },
	},
	{
		name: "physical restore, planted link", what: "the directory, or one above it, is a symbolic link that another user planted",
		exit: 1, says: []string{"is a symbolic link that does not belong to root"}, target: outcome{"nothing was written where it leads", func(s *scene) {
			s.Helper()
			if entries, err := os.ReadDir(s.name); err != nil || len(entries) > 0 {
				s.Errorf("written through the link: %v %v", entries, err)
			}
		}},
		do: func(s *scene) harness.Result {
			if os.Getuid() != 0 {
				s.Skip("only root follows links of others at its peril")
			}
			victim, link := s.TempDir(), filepath.Join(s.TempDir(), "planted")
			must(s, errors.Join(os.Symlink(victim, link), os.Lchown(link, 12345, 12345)))
			s.name, s.directory = victim, filepath.Join(link, "data")
			return s.end(s.rebuild())
		},
	},
	{
		name: "physical restore, logical snapshot", what: "a logical snapshot is restored through `postgres+bin://`",
		exit: 1, says: []string{"this is a logical backup (postgres://)", "hint: restore it into a running server"}, target: outcome{"nothing that can be started", notStartable.check},
		do: func(s *scene) harness.Result {
			s.plakar.Store, s.snapshot = s.stage.store, s.stage.snapshot
			return s.end(s.rebuild())
		},
	},
	{
		name: "physical restore, a path", what: "a path of a snapshot is restored, not the whole",
		exit: 1, says: []string{"has no file PG_VERSION at its top", "takes a whole snapshot"}, target: notStartable,
		do: func(s *scene) harness.Result {
			b := s.stage.physicalBase()
			s.plakar.Store, s.snapshot = b.store, b.snapshot+":/global"
			return s.end(s.rebuild())
		},
	},
}, endings(), lastMoments())

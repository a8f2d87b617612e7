//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// walScene is a server whose WAL is backed up to the store through a proxy. What a run finds there, it
// finds by the address.
type walScene struct {
	network *proxy
	before  []string // the snapshots before the fault
	begin   wal.LSN  // of the WAL in them
	slot    wal.LSN
}

// writeWAL makes the server write so many MiB, and a bit.
func (s *scene) writeWAL(size int) {
	s.Helper()
	s.server.Exec(s, "postgres", fmt.Sprintf("SELECT count(pg_logical_emit_message(false, 'x', repeat('x', 1 << 19))) FROM generate_series(1, 2 * %d)", size))
	s.server.Exec(s, "postgres", "CHECKPOINT")
}

// backedUpWAL makes so many snapshots of the WAL of a server of the scene's own, and more WAL after them.
func (s *scene) backedUpWAL(snapshots int) {
	s.Helper()
	s.server = harness.Start(s, harness.InitdbArgs("--wal-segsize=1"), harness.Conf("wal_keep_size = 2MB", "min_wal_size = 2MB", "wal_recycle = off"))
	s.network, s.db = newProxy(s, s.server), ""
	s.plakar.SourceAdd("mypg", "postgres+wal"+strings.TrimPrefix(s.url(s.network), "postgres"))
	for range snapshots {
		s.plakar.MustBackup("@mypg")
		s.writeWAL(2)
	}
	if s.before = s.plakar.Snapshots(); snapshots > 0 {
		s.begin, s.slot = s.walOf(s.before[0]).Begin, s.slotLSN()
	}
	s.writeWAL(8)
}

// walOf is what a snapshot says of its WAL.
func (s *scene) walOf(snapshot string) *manifest.WAL {
	s.Helper()
	d, err := manifest.Read(bytes.NewReader(s.plakar.Cat(snapshot, wal.ManifestPath)))
	if err != nil || d.WAL == nil {
		s.Fatalf("the manifest of %s: %+v, %v", snapshot, d, err)
	}
	return d.WAL
}

func (s *scene) slotLSN() wal.LSN {
	s.Helper()
	lsn, err := wal.ParseLSN(s.server.QueryText(s, "postgres", "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'plakar'"))
	must(s, err)
	return lsn
}

// midWAL runs a backup of the WAL and breaks something when half of what is new is on its way.
func midWAL(act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.backedUpWAL(2)
		s.network.hold(5 << 20)
		run := s.backup()
		s.until("WAL is on its way", eventually, s.network.held)
		act(s, run)
		s.network.thaw()
		return s.end(run)
	}
}

// firstWAL is midWAL for a run that finds nothing in the store.
func firstWAL(act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.backedUpWAL(0)
		// So much to back up since the last checkpoint that the run is not over before it is disturbed.
		s.server.Exec(s, "postgres", "CREATE TABLE much AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 60000) i")
		s.network.hold(4 << 10) // it has been let in, and asks
		run := s.backup()
		s.until("the slot is there", eventually, func() bool {
			if s.network.held() {
				s.network.thaw()
				s.network.hold(512)
			}
			return s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_replication_slots") == "1"
		})
		act(s, run)
		s.network.thaw()
		return s.end(run)
	}
}

// nothingLost is what the failures of a backup of the WAL have in common: the slot keeps what
// is not in the store, and the next run goes on where the last one ended that was good.
func nothingLost(s *scene) {
	s.Helper()
	if now := s.plakar.Snapshots(); !slices.Equal(now, s.before) {
		s.Errorf("snapshots %q, before %q", now, s.before)
	}
	s.goesOn(10)
}

// goesOn checks the slot and the next run, which has so many new segments at the least.
func (s *scene) goesOn(added int) {
	s.Helper()
	if s.server.TryExec("postgres", "SELECT") != nil {
		s.server.Start(s)
	}
	s.until("the slot is free", eventually, func() bool {
		return s.server.QueryText(s, "postgres", "SELECT active FROM pg_replication_slots") == "f"
	})
	last := s.walOf(s.plakar.Snapshots()[0])
	if slot := s.slotLSN(); slot < s.slot || slot > last.End.LSN {
		s.Errorf("the slot is at %s, was at %s, the store has the WAL up to %s", slot, s.slot, last.End.LSN)
	}
	s.writeWAL(3) // and the server removes what it need not keep
	s.network.again(s)
	s.complete(s.plakar.MustBackup("@mypg"), added)
}

// complete checks that a snapshot has all WAL since the first one, with so many new segments at the least.
func (s *scene) complete(snapshot string, added int) {
	s.Helper()
	m := s.walOf(snapshot)
	h := wal.History{Timeline: m.Timeline}
	if m.Begin != s.begin && s.begin != 0 || m.Gap != nil || m.NewSegments < added {
		s.Errorf("the WAL began at %s, now %+v", s.begin, m)
	}
	there := s.plakar.Ls(snapshot)
	for at := m.Begin; at < m.End.LSN; at += wal.LSN(m.SegmentSize) {
		segment := h.SegmentAt(at, m.SegmentSize)
		path := segment.Path()
		if segment.End() > m.End.LSN {
			path = segment.PartialPath()
		}
		if !slices.Contains(there, path) {
			s.Errorf("no %s in %q", path, there)
		}
	}
	// plakar does not store again what it takes for stored.
	s.plakar.MustRun("check", snapshot)
}

// walFault is a fault in the middle of a run that has snapshots before it.
func walFault(name string, f fault, act func(s *scene, run *harness.Process)) fault {
	f.name, f.do = "WAL backup, "+name, midWAL(act)
	if f.after == nil {
		f.after = nothingLost
	}
	return f
}

var walFaults = []fault{
	walFault("Ctrl-C", fault{what: "Ctrl-C", exit: 1, oneOf: stoppedWords}, func(_ *scene, run *harness.Process) { run.Interrupt() }),
	walFault("SIGKILL", fault{what: "plakar is killed (`kill -9`)", exit: killed, left: plakarsOwn}, func(_ *scene, run *harness.Process) { run.Kill() }),
	walFault("plugin killed", fault{what: pluginKilled, exit: 1, says: []string{"signal: killed"}}, func(s *scene, _ *harness.Process) { s.endPlugin(true) }),
	walFault("plugin's front killed", fault{what: frontKilled, exit: 1, oneOf: frontDied}, func(s *scene, _ *harness.Process) { s.endPlugin(false) }),
	walFault("network gone", fault{
		what: "the network is cut: no packet arrives any more", exit: 1, says: []string{"WAL", "timed out"}, left: untilNoticed, lingers: true,
	}, func(s *scene, run *harness.Process) {
		s.network.vanish()
		s.done = append(s.done, s.network.close)
		if _, ended := run.WaitFor(eventually); !ended {
			s.Error("it does not notice")
		}
	}),
	walFault("server stopped at once", fault{what: "the server is stopped (`pg_ctl stop -m immediate`)", exit: 1, says: []string{"streaming the WAL "}, oneOf: []string{"unexpected EOF", "connection reset"}},
		func(s *scene, _ *harness.Process) { s.server.Stop(harness.Immediate) }),
	walFault("server stopped fast", fault{
		what: "the server is stopped (`pg_ctl stop -m fast`): it sends what there is, and ends the connection", exit: 1, oneOf: []string{"ending the stream of WAL: ", "terminating connection due to administrator command"},
	}, func(s *scene, _ *harness.Process) {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.server.Stop(harness.Fast)
		}()
		s.until("the server shuts down", eventually, func() bool { return strings.Contains(s.server.Log(s), "LOG:  shutting down") })
		s.network.thaw()
		<-stopped
	}),
	walFault("slot taken", fault{
		what: "a second backup begins while one runs: that one goes on", exit: 0, snapshot: true,
		after: func(s *scene) { s.goesOn(3) },
	}, func(s *scene, _ *harness.Process) {
		s.plakar.SourceAdd("direct", "postgres+wal"+strings.TrimPrefix(s.url(nil), "postgres"))
		second := s.end(s.plakar.Start("backup", "@direct"))
		// By its other address the server is another source, whose slot this is not.
		message := second.Message()
		if second.ExitCode != 1 || !strings.Contains(message, "is active for PID") && !strings.Contains(message, "another store uses it") {
			s.Errorf("the second one: exit status %d\n%s", second.ExitCode, second.Output())
		}
	}),
	{
		name: "WAL backup, first, Ctrl-C", what: "the first backup: Ctrl-C; the slot is dropped again", exit: 1, oneOf: stoppedWords,
		do: firstWAL(func(_ *scene, run *harness.Process) { run.Interrupt() }),
		after: func(s *scene) {
			s.complete(s.plakar.MustBackup("@mypg"), 0)
		},
	},
	{
		name: "WAL backup, first, SIGKILL", what: "the first backup: plakar is killed (`kill -9`)", exit: killed, left: plakarsOwn,
		do: firstWAL(func(_ *scene, run *harness.Process) { run.Kill() }),
		after: func(s *scene) {
			// The slot may be another store's.
			if next := s.plakar.MustFail("backup", "@mypg"); !strings.Contains(next.Message(), "or a first backup failed") {
				s.Error(next.Output())
			}
			s.plakar.SourceAdd("anew", "postgres+wal"+strings.TrimPrefix(s.url(s.network), "postgres"), "continue_on_error=true")
			s.complete(s.plakar.MustBackup("@anew"), 0)
		},
	},
	{
		name: "WAL backup, no room in the store", what: "the store is full to the last byte", exit: 1, says: []string{"no space left on device"},
		do: func(s *scene) harness.Result { return s.walIntoFull(0) },
		after: func(s *scene) {
			must(s, os.Remove(filepath.Join(filepath.Dir(s.plakar.Store), "filler")))
			nothingLost(s)
		},
	},
	{
		name: "WAL backup, little room in the store",
		what: "the store has room for some of the WAL: plakar 1.1.4 says so and yet may exit with status 0 and keep a broken snapshot; the next run finds that, or `plakar check` does; " +
			"when the broken one is removed, a run goes on from the one before",
		either: true, chance: true, says: []string{"error:", "no space left on device"},
		do: func(s *scene) harness.Result { return s.walIntoFull(1 << 20) },
		after: func(s *scene) {
			must(s, os.Remove(filepath.Join(filepath.Dir(s.plakar.Store), "filler")))
			s.withoutBroken()
			nothingLost(s)
		},
	},
}

// withoutBroken removes the snapshot that the fault left, which is broken: the next run does not go on
// from it without a word.
func (s *scene) withoutBroken() {
	s.Helper()
	if broken := s.plakar.Snapshots(); len(broken) > len(s.before) {
		s.network.again(s)
		next := s.end(s.backup())
		s.Logf("the next run: exit status %d: %s", next.ExitCode, next.Output())
		if next.ExitCode == 0 && s.plakar.Run("check", broken[0]).ExitCode == 0 {
			s.Error("nobody notices that the snapshot is broken")
		}
	}
	for _, snapshot := range s.plakar.Snapshots() {
		if !slices.Contains(s.before, snapshot) {
			s.plakar.MustRun("rm", "-apply", snapshot)
		}
	}
}

// walIntoFull backs up the WAL into a store with so much room.
func (s *scene) walIntoFull(free int64) harness.Result {
	s.Helper()
	disk := s.TempDir()
	s.small(disk, "64m")
	s.plakar.Store = filepath.Join(disk, "store")
	s.plakar.MustRun("create", "-plaintext")
	s.backedUpWAL(2)
	// What is compressed away needs no room.
	s.server.Exec(s, "postgres", "SELECT count(pg_logical_emit_message(false, 'x', (SELECT string_agg(md5((g * i)::text), '') FROM generate_series(1, 1 << 14) i))) FROM generate_series(1, 8) g")
	s.server.Exec(s, "postgres", "CHECKPOINT")
	s.fill(filepath.Join(disk, "filler"), free)
	return s.end(s.backup())
}

//go:build linux

package faults

import (
	"path/filepath"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

var physicalFaults = []fault{
	{
		name: "physical, server stopped fast", what: "the server is stopped (`pg_ctl stop -m fast`)", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"terminating connection due to administrator command"},
		do: midStream(func(s *scene, _ *proxy) { s.server.Stop(harness.Fast) }),
	},
	{
		name: "physical, server stopped at once", what: "the server is stopped (`pg_ctl stop -m immediate`)", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"receiving the base backup"},
		do: midStream(func(s *scene, _ *proxy) { s.server.Stop(harness.Immediate) }),
	},
	{
		name: "physical, server crashed", what: "the server's first process is killed (`kill -9`)", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"unexpected EOF"},
		do: midStream(func(s *scene, _ *proxy) { s.server.Stop(harness.Crash) }),
	},
	{
		name: "physical, session terminated", what: "the session is ended with `pg_terminate_backend`", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"terminating connection due to administrator command"},
		do: midStream(func(s *scene, _ *proxy) {
			s.server.Exec(s, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_basebackup")
		}),
	},
	{
		name: "physical, connection reset", what: "the connection is reset", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"connection reset"},
		do: midStream(func(_ *scene, p *proxy) { p.reset() }),
	},
	{
		name: "physical, truncated stream", what: "the connection is closed in order, in the middle of the files", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"}, spoken: []string{"unexpected EOF"},
		do: midStream(func(_ *scene, p *proxy) { p.close() }),
	},
	{
		name: "physical, network gone", what: "the network is cut: no packet arrives any more", own: true,
		exit: 1, says: []string{"pg_basebackup", "timed out"}, spoken: []string{"timed out"}, left: untilNoticed, lingers: true,
		do: midStream(func(_ *scene, p *proxy) { p.vanish() }),
	},
	{
		name: "physical, pg_basebackup killed", what: "pg_basebackup is killed (`kill -9`, or for want of memory)", own: true, oneWay: true,
		exit: 1, says: []string{"pg_basebackup", "signal: killed"},
		do: midStream(func(s *scene, _ *proxy) { _ = syscall.Kill(s.tool("pg_basebackup"), syscall.SIGKILL) }),
	},
	{
		name: "physical, plugin killed", what: pluginKilled, own: true, exit: 1, says: []string{"signal: killed"},
		do: midStream(func(s *scene, _ *proxy) { s.endPlugin(true) }),
	},
	{
		name: "physical, plugin's front killed", what: frontKilled, own: true, exit: 1, oneOf: frontDied,
		do: midStream(func(s *scene, _ *proxy) { s.endPlugin(false) }),
	},
	{
		name: "physical, damaged page", what: "a page of a table was damaged on the server's disk, in a cluster with data checksums", own: true,
		exit: 1, says: []string{"checksum verification failed in file", "base/", "checksum error occurred"}, spoken: []string{"checksum verification failure during base backup", "checksum verification failed in file", "base/"},
		do: func(s *scene) harness.Result {
			s.server = harness.Start(s, harness.InitdbArgs("--data-checksums"))
			s.physical(nil)
			s.damage("big")
			return s.end(s.backup())
		},
	},
	{
		name: "physical, flipped byte", what: "a byte of a file changes on its way", own: true,
		exit: 1, says: []string{"the backup does not agree with the server's backup manifest", `"base/`, "has the checksum", "in place of"},
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.physical(p)
			p.flip("the marker")
			return s.end(s.backup())
		},
	},
	{
		name: "physical, short stream", what: "the stream ends early, although pg_basebackup reports success", own: true, oneWay: true,
		exit: 1, says: []string{`backing up "`, "unexpected EOF"},
		do: func(s *scene) harness.Result {
			s.physical(nil, s.tools(map[string]string{"pg_basebackup": `REAL/pg_basebackup "$@" | head -c 5000000`}))
			return s.end(s.backup())
		},
	},
	{
		name: "physical, no slot", what: "no replication slot is to be had: WAL is not held back for the backup", own: true,
		exit: 0, snapshot: true, says: []string{unheld},
		do: func(s *scene) harness.Result {
			s.withServer("max_replication_slots = 0")
			s.physical(nil)
			return s.end(s.backup())
		},
		after: func(s *scene) {
			snapshot := s.plakar.Snapshots()[0]
			if text := string(s.plakar.Cat(snapshot, "/manifest.json")); !strings.Contains(text, unheld) {
				s.Errorf("not in the manifest's warnings: %s", text)
			}
			dir := filepath.Join(s.TempDir(), "pgdata")
			s.plakar.MustRestore(dir, snapshot)
			harness.CompareDatabase(s, s.server, harness.Adopt(s, dir), "postgres", "postgres")
		},
	},
	{
		name: "physical, WAL removed", what: "no replication slot is to be had, and the server removes WAL that the backup needs", own: true,
		exit: 1, says: []string{"requested WAL segment", "has already been removed"},
		do: func(s *scene) harness.Result { return s.inNeedOfWAL("max_replication_slots = 0", true) },
	},
	{
		name: "physical, WAL held", what: "the server has more WAL than it wants to keep: the replication slot holds what the backup needs", own: true,
		exit: 0, snapshot: true,
		do: func(s *scene) harness.Result { return s.inNeedOfWAL("max_replication_slots = 10", false) },
	},
	{
		name: "physical, no room in the store", what: "the store is full to the last byte", own: true,
		exit: 1, says: []string{"no space left on device"},
		do: func(s *scene) harness.Result {
			s.physical(nil)
			return s.intoFull(func(disk string) { s.fill(filepath.Join(disk, "filler"), 0) })
		},
	},
	{
		name: "physical, little room in the store",
		what: "the store has room for some of the data: as with `postgres://`, plakar 1.1.4 says so and yet may exit with status 0; `plakar check` finds what is broken", own: true,
		either: true, chance: true, says: []string{"error:", "no space left on device"},
		do: func(s *scene) harness.Result {
			s.physical(nil)
			return s.intoFull(func(string) {})
		},
		after: brokenIsFound,
	},
	{
		name: "physical, Ctrl-C", what: "Ctrl-C", own: true, exit: 1, oneOf: stoppedWords,
		do: ended((*harness.Process).Interrupt),
	},
	{
		name: "physical, SIGTERM", what: "plakar gets SIGTERM", own: true, exit: 1, oneOf: stoppedWords,
		do: ended(func(p *harness.Process) { p.Signal(syscall.SIGTERM) }),
	},
	{
		name: "physical, SIGKILL", what: "plakar is killed (`kill -9`)", own: true, exit: killed,
		left: plakarsOwn,
		do:   ended((*harness.Process).Kill),
	},
	{
		name: "physical, hanging server", what: "the server is alive and does not answer; the user presses Ctrl-C", own: true,
		exit: 1, oneOf: stoppedWords, left: untilItGoesOn, lingers: true,
		do: func(s *scene) harness.Result {
			p := through(s)
			s.physical(p, slowly)
			run := s.backup()
			s.streaming()
			p.freeze()
			run.Interrupt()
			return s.end(run)
		},
	},
	{
		name: "physical, Ctrl-C in the checkpoint", what: "Ctrl-C while the server makes the checkpoint that comes first", own: true, exit: 1, oneOf: stoppedWords,
		do: inCheckpoint((*harness.Process).Interrupt),
	},
	{
		name: "physical, SIGKILL in the checkpoint", what: "plakar is killed (`kill -9`) while the server makes the checkpoint that comes first", own: true, exit: killed,
		left: plakarsOwn,
		do:   inCheckpoint((*harness.Process).Kill),
	},
	{
		name: "physical, logical destination", what: "the snapshot is restored through `postgres://`: the backup is complete, the restore refused", own: true, oneWay: true,
		exit: 1, snapshot: true, says: []string{"this is a physical backup", "hint: restore it into a directory"},
		do: func(s *scene) harness.Result {
			s.physical(nil)
			snapshot := s.plakar.MustBackup("@mypg")
			s.plakar.DestinationAdd("dst", s.server.URL(""), s.server.BinDirOption())
			return s.plakar.Restore("@dst", snapshot)
		},
	},
}

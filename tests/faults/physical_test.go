//go:build linux

package faults

import (
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// physical makes the source "mypg" of the whole server.
func (s *scene) physical(at *proxy, options ...string) {
	s.Helper()
	s.server.Exec(s, "postgres", "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) || 'the marker' AS v FROM generate_series(1, 10000) g")
	s.db = ""
	s.plakar.SourceAdd("mypg", "postgres+bin"+strings.TrimPrefix(s.url(at), "postgres"), s.with(options)...)
	s.saves = true
}

// slowly keeps a backup busy for long enough to be disturbed.
const slowly = "max_rate=3M"

// streaming waits until the server sends files.
func (s *scene) streaming() {
	s.Helper()
	s.until("the server sends files", eventually, func() bool {
		return s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE backup_streamed > 2000000") == "1"
	})
}

// midStream runs a physical backup and breaks something while files are sent.
func midStream(act func(s *scene, p *proxy)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := newProxy(s, s.server)
		s.physical(p, slowly)
		run := s.backup()
		s.streaming()
		act(s, p)
		result := s.end(run)
		p.close()
		return result
	}
}

// ended runs a physical backup and ends plakar while files are sent.
func ended(send func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.physical(nil, slowly)
		run := s.backup()
		s.streaming()
		send(run)
		return s.end(run)
	}
}

// withServer replaces the scene's server by one with other settings.
func (s *scene) withServer(conf ...string) {
	s.Helper()
	s.server = harness.Start(s, harness.Conf(conf...))
}

var physicalFaults = []fault{
	{
		name: "physical, server stopped fast", what: "the server is stopped (`pg_ctl stop -m fast`)", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"},
		do: midStream(func(s *scene, _ *proxy) { s.server.Stop(harness.Fast) }),
	},
	{
		name: "physical, server stopped at once", what: "the server is stopped (`pg_ctl stop -m immediate`)", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"},
		do: midStream(func(s *scene, _ *proxy) { s.server.Stop(harness.Immediate) }),
	},
	{
		name: "physical, session terminated", what: "the session is ended with `pg_terminate_backend`", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"},
		do: midStream(func(s *scene, _ *proxy) {
			s.server.Exec(s, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_basebackup")
		}),
	},
	{
		name: "physical, connection reset", what: "the connection is reset", own: true,
		exit: 1, says: []string{"pg_basebackup: error:"},
		do: midStream(func(_ *scene, p *proxy) { p.reset() }),
	},
	{
		name: "physical, network gone", what: "the network is cut: no packet arrives any more", own: true,
		exit: 1, says: []string{"pg_basebackup", "timed out"},
		left: "nothing here; the server's own sessions, until the server notices as well (`tcp_keepalives_idle`)",
		do:   midStream(func(_ *scene, p *proxy) { p.vanish() }),
	},
	{
		name: "physical, pg_basebackup killed", what: "pg_basebackup is killed (`kill -9`, or for want of memory)", own: true,
		exit: 1, says: []string{"pg_basebackup", "signal: killed"},
		do: midStream(func(s *scene, _ *proxy) { _ = syscall.Kill(s.tool("pg_basebackup"), syscall.SIGKILL) }),
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
		name: "physical, short stream", what: "the stream ends early, although pg_basebackup reports success", own: true,
		exit: 1, says: []string{`backing up "`, "unexpected EOF"},
		do: func(s *scene) harness.Result {
			s.physical(nil, s.tools(map[string]string{"pg_basebackup": `REAL/pg_basebackup "$@" | head -c 5000000`}))
			return s.end(s.backup())
		},
	},
	{
		name: "physical, no slot", what: "no replication slot is to be had: WAL is not held back for the backup", own: true,
		exit: 0, snapshot: true, says: []string{"nothing keeps the server from removing WAL that this backup needs"},
		do: func(s *scene) harness.Result {
			s.withServer("max_replication_slots = 0")
			s.physical(nil)
			return s.end(s.backup())
		},
	},
	{
		name: "physical, WAL removed", what: "no replication slot is to be had, and the server removes WAL that the backup needs", own: true,
		exit: 1, says: []string{"requested WAL segment", "has already been removed"},
		do: func(s *scene) harness.Result {
			s.withServer("max_replication_slots = 0", "min_wal_size = 32MB", "max_wal_size = 32MB", "wal_recycle = off")
			s.physical(nil, slowly)
			first := s.server.QueryText(s, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
			run := s.backup()
			s.streaming()
			s.until("the WAL is removed", eventually, func() bool {
				s.server.Exec(s, "postgres", "CREATE TABLE IF NOT EXISTS w (x int); INSERT INTO w VALUES (1)")
				s.server.Exec(s, "postgres", "SELECT pg_switch_wal()")
				s.server.Exec(s, "postgres", "CHECKPOINT")
				oldest := s.server.QueryText(s, "postgres", "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
				backup := s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'streaming database files'")
				return oldest > first && backup == "1"
			})
			return s.end(run)
		},
	},
	{
		name: "physical, Ctrl-C", what: "Ctrl-C", own: true, exit: 1, stopped: true,
		do: ended((*harness.Process).Interrupt),
	},
	{
		name: "physical, SIGTERM", what: "plakar gets SIGTERM", own: true, exit: 1, stopped: true,
		do: ended(func(p *harness.Process) { p.Signal(syscall.SIGTERM) }),
	},
	{
		name: "physical, SIGKILL", what: "plakar is killed (`kill -9`)", own: true, exit: killed,
		left: "nothing of this package; plakar's own folder `plakar-backup-*` in the temporary folder",
		do:   ended((*harness.Process).Kill),
	},
	{
		name: "physical, logical destination", what: "the snapshot is restored through `postgres://`: the backup is complete, the restore refused", own: true,
		exit: 1, snapshot: true, says: []string{"this is a physical backup", "hint: restore it into a folder"},
		do: func(s *scene) harness.Result {
			s.physical(nil)
			snapshot := s.plakar.MustBackup("@mypg")
			s.plakar.DestinationAdd("dst", s.server.URL(""), s.server.BinDirOption())
			return s.plakar.Restore("@dst", snapshot)
		},
	},
	{
		name: "physical, as a destination", what: "a logical snapshot is restored through `postgres+bin://`, which restores nothing: folders do", own: true,
		exit: 1, says: []string{"unsupported exporter protocol"},
		do: func(s *scene) harness.Result {
			s.saves = false
			s.plakar.Store = s.stage.store
			s.plakar.DestinationAdd("dst", "postgres+bin"+strings.TrimPrefix(s.server.URL(""), "postgres"))
			return s.plakar.Restore("@dst", s.stage.snapshot)
		},
	},
}

//go:build linux

package faults

import (
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// midRestore runs a restore and breaks something while it waits for a table that
// is locked, whose rows are on their way.
func midRestore(s *scene, at *proxy, act func(pid string), options ...string) harness.Result {
	s.target(at, options...)
	_, release := s.lock("t")
	s.done = append(s.done, release)
	run := s.restore()
	act(s.blocked())
	return s.end(run)
}

// stopped is what happens when plakar itself is ended in mid-restore; the lock
// stays until all has been checked.
func stopped(send func(*harness.Process), options ...string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.target(nil, options...)
		_, release := s.lock("t")
		run := s.restore()
		s.blocked()
		send(run)
		s.done = append(s.done, release)
		return s.end(run)
	}
}

// hangingRestore is Ctrl-C when the server does not answer any more, in mid-restore.
func hangingRestore(options ...string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := newProxy(s, s.server)
		s.target(p, options...)
		_, release := s.lock("t")
		run := s.restore()
		s.blocked()
		p.freeze()
		s.done = append(s.done, release, p.close)
		run.Interrupt()
		return s.end(run)
	}
}

// broken begins the message about a database.
const broken = `restoring database "`

// afterStart is rolledBack on a server that was stopped.
var afterStart = outcome{rolledBack.text, func(s *scene) {
	s.server.Start(s)
	rolledBack.check(s)
}}

var restoreFaults = []fault{
	{
		name: "restore, server stopped fast", what: "the server is stopped (`pg_ctl stop -m fast`)",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: afterStart, own: true,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { s.server.Stop(harness.Fast) })
		},
	},
	{
		name: "restore, server stopped at once", what: "the server is stopped (`pg_ctl stop -m immediate`)",
		exit: 1, says: []string{broken, "pg_restore", "server closed the connection unexpectedly"}, target: afterStart, own: true,
		do: func(s *scene) harness.Result {
			s.withServer("synchronous_commit = on") // as everywhere but in tests
			return midRestore(s, nil, func(string) { s.server.Stop(harness.Immediate) })
		},
	},
	{
		name: "restore, session terminated", what: "the session is ended with `pg_terminate_backend`",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: rolledBack,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")") })
		},
	},
	{
		name: "restore, statement cancelled", what: "a statement is cancelled with `pg_cancel_backend`",
		exit: 1, says: []string{broken, "pg_restore", "canceling statement due to user request"}, target: outcome{"all but what the statement was about", holds("0", "7", "1")},
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_cancel_backend("+pid+")") })
		},
	},
	{
		name: "restore, connection reset", what: "the connection is reset",
		exit: 1, says: []string{broken, "pg_restore"}, target: rolledBack, left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			return midRestore(s, p, func(string) { p.reset() })
		},
	},
	{
		name: "restore, network gone", what: "the network is cut while the server works: no packet arrives any more",
		exit: 1, says: []string{broken, "pg_restore", "timed out"}, target: rolledBack,
		left: untilNoticed, lingers: true,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.done = append(s.done, p.close)
			return midRestore(s, p, func(string) { p.vanish() })
		},
	},
	{
		name: "restore, network gone under way", what: "the network is cut while rows are sent (`tcp_user_timeout` is set)",
		exit: 1, says: []string{broken, "pg_restore"}, target: rolledBack,
		left: untilNoticed, lingers: true,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.target(p)
			s.done = append(s.done, p.close)
			p.after(1<<20, p.vanish)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, network gone at first", what: "something accepts the connection and never answers",
		exit: 1, says: []string{"connecting to database", "timeout"}, target: emptyTables,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.target(p)
			p.freeze()
			return s.end(s.restore())
		},
	},
	{
		name: "restore, no server", what: "the server is not there",
		exit: 1, says: []string{"connecting to database", "connection refused"}, target: nothingMade,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.destination(p)
			p.close()
			return s.end(s.restore())
		},
	},
	{
		name: "restore, lock released", what: "a table is locked for a while",
		exit: 0, target: everything,
		do: func(s *scene) harness.Result {
			s.target(nil)
			_, release := s.lock("t")
			run := s.restore()
			s.blocked()
			release()
			return s.end(run)
		},
	},
	{
		// pg_restore turns lock_timeout off, whatever the role or the URI says.
		name: "restore, lock kept", what: "a table stays locked: `lock_timeout` has no effect on pg_restore; the user presses Ctrl-C",
		exit: 1, oneOf: stoppedWords, target: rolledBack,
		do: func(s *scene) harness.Result {
			s.query = []string{"options=-c%20lock_timeout%3D200"}
			s.target(nil)
			_, release := s.lock("t")
			s.done = append(s.done, release)
			run := s.restore()
			pid := s.blocked()
			s.until("a second has gone by", eventually, func() bool {
				return s.server.QueryText(s, "postgres", "SELECT wait_event_type FROM pg_stat_activity WHERE now() > query_start + interval '1 s' AND pid = "+pid) == "Lock"
			})
			run.Interrupt()
			return s.end(run)
		},
	},
	{
		name: "restore, table dropped", what: "a table is dropped before its rows arrive",
		exit: 1, says: []string{broken, "pg_restore", `relation "public.t" does not exist`}, target: outcome{"all but that table", func(s *scene) {
			s.finds("SELECT x FROM other", "7")
			s.finds("SELECT count(*) FROM pg_largeobject_metadata", "1")
		}},
		do: func(s *scene) harness.Result {
			s.target(nil)
			conn, release := s.lock("t")
			run := s.restore()
			s.blocked()
			_, err := conn.Exec(s.Context(), "DROP TABLE t; COMMIT")
			must(s, err)
			release()
			return s.end(run)
		},
	},
	{
		name: "restore, pg_restore killed", what: "pg_restore is killed (`kill -9`, or for want of memory)",
		exit: 1, says: []string{broken, "pg_restore", "signal: killed"}, target: rolledBack,
		left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { _ = syscall.Kill(s.tool("pg_restore"), syscall.SIGKILL) })
		},
	},
	{
		name: "restore, plugin killed", what: pluginKilled, exit: 1, says: []string{"signal: killed"}, target: rolledBack,
		left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { s.endPlugin(true) })
		},
	},
	{
		name: "restore, plugin's front killed", what: frontKilled, exit: 1, oneOf: frontDied, target: rolledBack,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { s.endPlugin(false) })
		},
	},
	{
		name: "restore, Ctrl-C", what: "Ctrl-C", exit: 1, oneOf: stoppedWords, target: rolledBack,
		do: stopped((*harness.Process).Interrupt),
	},
	{
		name: "restore, SIGTERM", what: "plakar gets SIGTERM", exit: 1, oneOf: stoppedWords, target: rolledBack,
		do: stopped(func(p *harness.Process) { p.Signal(syscall.SIGTERM) }),
	},
	{
		name: "restore, SIGKILL", what: "plakar is killed (`kill -9`)", exit: killed, target: rolledBack,
		do: stopped((*harness.Process).Kill),
	},
	{
		name: "restore, hanging server", what: "the server, or a pooler before it, is alive and does not answer; the user presses Ctrl-C",
		exit: 1, oneOf: stoppedWords, target: rolledBack, left: untilItGoesOn, lingers: true,
		do: hangingRestore(),
	},
	{
		name: "parallel restore, hanging server", what: "the same, with `jobs` above 1",
		exit: 1, oneOf: stoppedWords, target: rolledBack, left: untilItGoesOn, lingers: true,
		do: hangingRestore("jobs=3"),
	},
	{
		name: "parallel restore, Ctrl-C", what: "Ctrl-C, with `jobs` above 1", exit: 1, oneOf: stoppedWords, target: rolledBack,
		do: stopped((*harness.Process).Interrupt, "jobs=3"),
	},
	{
		name: "parallel restore, SIGKILL", what: "plakar is killed (`kill -9`), with `jobs` above 1", exit: killed, target: rolledBack,
		do: stopped((*harness.Process).Kill, "jobs=3"),
	},
	{
		name: "parallel restore, session terminated", what: "a session is ended with `pg_terminate_backend`, with `jobs` above 1",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: rolledBack,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")") }, "jobs=3")
		},
	},
}

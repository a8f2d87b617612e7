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
	run := s.restore()
	act(s.blocked())
	result := s.end(run)
	release()
	return result
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

// noRows checks that the rows of the table under way were rolled back.
func noRows(s *scene) {
	s.Helper()
	if got := s.server.QueryText(s, s.db, "SELECT count(*) FROM t"); got != "0" {
		s.Errorf("%s rows are there", got)
	}
}

const (
	broken   = `restoring database "`
	rollback = "what was restored before; none of the rows under way"
)

var restoreFaults = []fault{
	{
		name: "restore, server stopped fast", what: "the server is stopped (`pg_ctl stop -m fast`)",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: rollback, own: true,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { s.server.Stop(harness.Fast) })
		},
		after: func(s *scene) {
			s.server.Start(s)
			noRows(s)
		},
	},
	{
		name: "restore, server stopped at once", what: "the server is stopped (`pg_ctl stop -m immediate`)",
		exit: 1, says: []string{broken, "pg_restore", "server closed the connection unexpectedly"}, target: rollback, own: true,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { s.server.Stop(harness.Immediate) })
		},
		after: func(s *scene) {
			s.server.Start(s)
			noRows(s)
		},
	},
	{
		name: "restore, session terminated", what: "the session is ended with `pg_terminate_backend`",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: rollback,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")") })
		},
		after: noRows,
	},
	{
		name: "restore, statement cancelled", what: "a statement is cancelled with `pg_cancel_backend`",
		exit: 1, says: []string{broken, "pg_restore", "canceling statement due to user request"}, target: "all but what the statement was about",
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_cancel_backend("+pid+")") })
		},
		after: noRows,
	},
	{
		name: "restore, connection reset", what: "the connection is reset",
		exit: 1, says: []string{broken, "pg_restore"}, target: rollback,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			return midRestore(s, p, func(string) { p.reset() })
		},
		after: noRows,
	},
	{
		name: "restore, network gone", what: "the network is cut while the server works: no packet arrives any more",
		exit: 1, says: []string{broken, "pg_restore", "timed out"}, target: rollback,
		left: "nothing here; the server's own session, until the server notices as well (`tcp_keepalives_idle`)",
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			result := midRestore(s, p, func(string) { p.vanish() })
			p.close()
			return result
		},
		after: noRows,
	},
	{
		name: "restore, network gone under way", what: "the network is cut while rows are sent (`tcp_user_timeout` is set)",
		exit: 1, says: []string{broken, "pg_restore"}, target: rollback,
		left: "nothing here; the server's own session, until the server notices as well (`tcp_keepalives_idle`)",
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.target(p)
			p.after(1<<20, p.vanish)
			result := s.end(s.restore())
			p.close()
			return result
		},
		after: noRows,
	},
	{
		name: "restore, network gone at first", what: "something accepts the connection and never answers",
		exit: 1, says: []string{"connecting to database", "timeout"}, target: "nothing",
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.target(p)
			p.freeze()
			return s.end(s.restore())
		},
	},
	{
		name: "restore, no server", what: "the server is not there",
		exit: 1, says: []string{"connecting to database", "connection refused"}, target: "nothing",
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.destination(p)
			p.close()
			return s.end(s.restore())
		},
	},
	{
		name: "restore, lock released", what: "a table is locked for a while",
		exit: 0, target: "everything",
		do: func(s *scene) harness.Result {
			s.target(nil)
			_, release := s.lock("t")
			run := s.restore()
			s.blocked()
			release()
			return s.end(run)
		},
		after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, pg_restore killed", what: "pg_restore is killed (`kill -9`, or for want of memory)",
		exit: 1, says: []string{broken, "pg_restore", "signal: killed"}, target: rollback,
		left: "nothing here; the session ends when the server notices, at the latest when a lock that it waits for is released",
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(string) { _ = syscall.Kill(s.tool("pg_restore"), syscall.SIGKILL) })
		},
		after: noRows,
	},
	{
		name: "restore, Ctrl-C", what: "Ctrl-C", exit: 1, stopped: true, target: rollback,
		do: stopped((*harness.Process).Interrupt), after: noRows,
	},
	{
		name: "restore, SIGTERM", what: "plakar gets SIGTERM", exit: 1, stopped: true, target: rollback,
		do: stopped(func(p *harness.Process) { p.Signal(syscall.SIGTERM) }), after: noRows,
	},
	{
		name: "restore, SIGKILL", what: "plakar is killed (`kill -9`)", exit: killed, target: rollback,
		do: stopped((*harness.Process).Kill), after: noRows,
	},
	{
		name: "parallel restore, Ctrl-C", what: "Ctrl-C, with `jobs` above 1", exit: 1, stopped: true, target: rollback,
		do: stopped((*harness.Process).Interrupt, "jobs=3"), after: noRows,
	},
	{
		name: "parallel restore, SIGKILL", what: "plakar is killed (`kill -9`), with `jobs` above 1", exit: killed, target: rollback,
		do: stopped((*harness.Process).Kill, "jobs=3"), after: noRows,
	},
	{
		name: "parallel restore, session terminated", what: "a session is ended with `pg_terminate_backend`, with `jobs` above 1",
		exit: 1, says: []string{broken, "pg_restore", "terminating connection due to administrator command"}, target: rollback,
		do: func(s *scene) harness.Result {
			return midRestore(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")") }, "jobs=3")
		},
		after: noRows,
	},
}

//go:build linux

package faults

import (
	"context"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// midDump runs a backup and breaks something when the rows have been saved and
// the dump has not ended.
func midDump(s *scene, at *proxy, act func(pid string)) harness.Result {
	s.source(at)
	release := s.halt()
	run := s.backup()
	s.done = append(s.done, release)
	act(s.blocked())
	return s.end(run)
}

// signalled is what happens when plakar itself is ended in mid-dump; the lock stays
// until all has been checked.
func signalled(send func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.source(nil)
		release := s.halt()
		run := s.backup()
		s.blocked()
		send(run)
		s.done = append(s.done, release)
		return s.end(run)
	}
}

// hanging ends plakar when the server does not answer any more, in mid-dump.
func hanging(send func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := newProxy(s, s.server)
		s.source(p)
		release := s.halt()
		run := s.backup()
		s.blocked()
		p.freeze()
		s.done = append(s.done, release, p.close)
		send(run)
		return s.end(run)
	}
}

// inParts gives every table a file of its own, one after another.
var inParts = []string{"layout=tables", "table_size=0", "jobs=1"}

// What is left behind when only the machine, or the network, knows that a client has
// gone.
const (
	untilNoticed  = "nothing here; the server's own session, until the server notices as well (`tcp_keepalives_idle`)"
	untilItGoesOn = "nothing here; on the server what it was doing, until it goes on"
	plakarsOwn    = "nothing of this package; plakar's own directory `plakar-backup-*` in the temporary directory"
	untilReleased = "nothing here; the session ends when the server notices, at the latest when a lock that it waits for is released"
)

// whole begins the message about a database.
const whole = `database "`

var backupFaults = []fault{
	{
		name: "backup, server stopped fast", what: "the server is stopped (`pg_ctl stop -m fast`)",
		exit: 1, says: []string{whole, "pg_dump", "terminating connection due to administrator command"}, own: true,
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) { s.server.Stop(harness.Fast) })
		},
	},
	{
		name: "backup, server stopped at once", what: "the server is stopped (`pg_ctl stop -m immediate`)",
		exit: 1, says: []string{whole, "pg_dump", "server closed the connection unexpectedly"}, own: true,
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) { s.server.Stop(harness.Immediate) })
		},
	},
	{
		name: "backup, session terminated", what: "the session is ended with `pg_terminate_backend`",
		exit: 1, says: []string{whole, "pg_dump", "terminating connection due to administrator command"},
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")") })
		},
	},
	{
		name: "backup in parts, snapshot lost", what: "`layout=tables`: the session that holds the snapshot is ended",
		exit: 1, says: []string{whole, "the session that holds the snapshot and the locks ended"},
		do: func(s *scene) harness.Result {
			s.source(nil, inParts...)
			release := s.halt()
			run := s.backup()
			s.blocked()
			s.server.Exec(s, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = "+harness.Literal(s.session()))
			release()
			return s.end(run)
		},
	},
	{
		name: "backup in parts, queued ALTER TABLE", what: "`layout=tables`: an `ALTER TABLE` waits for the backup, and so the next pg_dump for it",
		exit: 1, says: []string{whole, "pg_dump", "hint: these sessions wait for the end of the backup"},
		do: func(s *scene) harness.Result {
			s.source(nil, append(inParts, "lock_timeout=1s")...)
			release := s.halt()
			run := s.backup()
			s.blocked()
			conn := s.server.Connect(s, s.db)
			altered := make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), "ALTER TABLE t ADD COLUMN later int")
				altered <- err
			}()
			s.until("ALTER TABLE waits", eventually, func() bool {
				return s.server.QueryText(s, s.db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass") == "1"
			})
			release()
			result := s.end(run)
			if err := <-altered; err != nil {
				s.Error(err)
			}
			return result
		},
	},
	{
		name: "backup, query cancelled", what: "the query is cancelled with `pg_cancel_backend`",
		exit: 1, says: []string{whole, "pg_dump", "canceling statement due to user request"},
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(pid string) { s.server.Exec(s, "postgres", "SELECT pg_cancel_backend("+pid+")") })
		},
	},
	{
		name: "backup, connection reset", what: "the connection is reset",
		exit: 1, says: []string{whole, "pg_dump"}, left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			return midDump(s, p, func(string) { p.reset() })
		},
	},
	{
		name: "backup, network gone", what: "the network is cut: no packet arrives any more",
		exit: 1, says: []string{whole, "pg_dump", "timed out"},
		left: untilNoticed, lingers: true,
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.done = append(s.done, p.close)
			return midDump(s, p, func(string) { p.vanish() })
		},
	},
	{
		name: "backup, network gone at first", what: "nothing answers at the server's address, or something accepts the connection and never answers",
		exit: 1, says: []string{"connecting to database", "timeout"},
		do: func(s *scene) harness.Result {
			p := newProxy(s, s.server)
			s.source(p)
			p.freeze()
			return s.end(s.backup())
		},
	},
	{
		name: "backup, hanging server", what: "the server, or a pooler before it, is alive and does not answer; the user presses Ctrl-C",
		exit: 1, oneOf: stoppedWords, left: untilItGoesOn, lingers: true,
		do: hanging((*harness.Process).Interrupt),
	},
	{
		name: "backup, hanging server, SIGKILL", what: "the server is alive and does not answer; plakar is killed (`kill -9`)",
		exit: killed, left: untilItGoesOn + "; plakar's own directory `plakar-backup-*` in the temporary directory", lingers: true,
		do: hanging((*harness.Process).Kill),
	},
	{
		name: "backup, lock timeout", what: "a table stays locked for longer than `lock_timeout`",
		exit: 1, says: []string{whole, "pg_dump", "canceling statement due to statement timeout", "LOCK TABLE public.t"},
		do: func(s *scene) harness.Result {
			s.source(nil, "lock_timeout=300ms")
			s.lock("t")
			return s.end(s.backup())
		},
	},
	{
		name: "backup, lock released", what: "a table is locked for a while, without `lock_timeout`",
		exit: 0, snapshot: true,
		do: func(s *scene) harness.Result {
			s.source(nil)
			_, release := s.lock("t")
			run := s.backup()
			s.blocked()
			release()
			return s.end(run)
		},
	},
	{
		name: "backup, table dropped", what: "a table is dropped while the dump begins",
		exit: 1, says: []string{whole, "pg_dump", `relation "public.t" does not exist`},
		do: func(s *scene) harness.Result {
			s.source(nil)
			conn, release := s.lock("t")
			run := s.backup()
			s.blocked()
			if _, err := conn.Exec(s.Context(), "DROP TABLE t; COMMIT"); err != nil {
				s.Fatal(err)
			}
			release()
			return s.end(run)
		},
	},
	{
		name: "backup, database dropped", what: "the database is dropped with `FORCE`",
		exit: 1, says: []string{whole, "pg_dump", "terminating connection due to administrator command"},
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) {
				// FORCE ends the session with our lock too, perhaps first: pg_dump must not get on.
				client := s.tool("pg_dump")
				_ = syscall.Kill(client, syscall.SIGSTOP)
				s.server.Exec(s, "postgres", "DROP DATABASE "+s.db+" WITH (FORCE)")
				_ = syscall.Kill(client, syscall.SIGCONT)
			})
		},
	},
	{
		name: "backup, pg_dump killed", what: "pg_dump is killed (`kill -9`, or for want of memory)",
		exit: 1, says: []string{whole, "pg_dump", "signal: killed"},
		left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) { _ = syscall.Kill(s.tool("pg_dump"), syscall.SIGKILL) })
		},
	},
	{
		name: "backup, plugin killed", what: pluginKilled, exit: 1, says: []string{"signal: killed"},
		left: untilReleased, lingers: true,
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) { s.endPlugin(true) })
		},
	},
	{
		name: "backup, plugin's front killed", what: frontKilled, exit: 1, oneOf: frontDied,
		do: func(s *scene) harness.Result {
			return midDump(s, nil, func(string) { s.endPlugin(false) })
		},
	},
	{
		name: "backup, Ctrl-C", what: "Ctrl-C", exit: 1, oneOf: stoppedWords,
		do: signalled((*harness.Process).Interrupt),
	},
	{
		name: "backup, SIGTERM", what: "plakar gets SIGTERM", exit: 1, oneOf: stoppedWords,
		do: signalled(func(p *harness.Process) { p.Signal(syscall.SIGTERM) }),
	},
	{
		name: "backup, SIGKILL", what: "plakar is killed (`kill -9`)", exit: killed,
		left: plakarsOwn,
		do:   signalled((*harness.Process).Kill),
	},
}

//go:build linux

package faults

import (
	"context"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// holdCatalog keeps everybody from changing a catalog of a server that is this fault's
// own; reading it goes on.
func (s *scene) holdCatalog(name string) {
	s.Helper()
	conn := s.server.Connect(s, "postgres")
	_, err := conn.Exec(context.Background(), "BEGIN; LOCK TABLE "+name+" IN SHARE MODE")
	must(s, err)
	s.done = append(s.done, func() { _ = conn.Close(context.Background()) })
}

// midGlobals runs a restore and breaks something while a role is created.
func midGlobals(at func(s *scene) *proxy, act func(s *scene, p *proxy, pid string), send ...func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := at(s)
		s.holdCatalog("pg_authid")
		s.destination(p)
		return s.midway(p, act, send)
	}
}

// midway runs a restore and breaks something, or ends plakar, while a statement waits
// for a lock.
func (s *scene) midway(p *proxy, act func(s *scene, p *proxy, pid string), send []func(*harness.Process)) harness.Result {
	s.Helper()
	run := s.restore()
	act(s, p, s.blocked())
	for _, end := range send {
		end(run)
	}
	return s.end(run)
}

func direct(*scene) *proxy { return nil }

func through(s *scene) *proxy {
	p := newProxy(s, s.server)
	s.done = append(s.done, p.close)
	return p
}

// midRecreate runs a restore with recreate of a database that is there, and breaks
// something while a statement waits for what hold locks.
func midRecreate(hold func(s *scene), at func(s *scene) *proxy, act func(s *scene, p *proxy, pid string), send ...func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := at(s)
		s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
		s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
		s.server.Exec(s, s.db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
		hold(s)
		s.destination(p, "recreate=true", "no_globals=true")
		return s.midway(p, act, send)
	}
}

// nothing is done to the session: plakar is ended.
func nothing(*scene, *proxy, string) {}

// holdDatabases keeps databases from being created.
func holdDatabases(s *scene) { s.holdCatalog("pg_database") }

// holdTarget keeps the target database from being dropped or renamed; nobody is
// connected to it.
func holdTarget(s *scene) {
	s.Helper()
	conn := s.server.Connect(s, "postgres")
	_, err := conn.Exec(context.Background(), "BEGIN; COMMENT ON DATABASE "+s.db+" IS 'held'")
	must(s, err)
	s.done = append(s.done, func() { _ = conn.Close(context.Background()) })
}

func terminate(s *scene, _ *proxy, pid string) {
	s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")")
}

func vanish(_ *scene, p *proxy, _ string) { p.vanish() }

// serverFaults are about what a restore does outside the target database.
var serverFaults = []fault{
	{
		name: "restore, session terminated in the globals", what: "the session that restores the globals is ended", own: true,
		exit: 1, says: []string{"restoring the globals (roles and tablespaces)", "terminating connection due to administrator command"},
		target: outcome{"everything but the globals", everything.check},
		do:     midGlobals(direct, terminate),
	},
	{
		name: "restore, network gone in the globals", what: "the network is cut while the globals are restored", own: true,
		exit: 1, says: []string{"restoring the globals (roles and tablespaces)", "connection to server was lost", "connecting to database", "timeout"}, target: nothingMade,
		left: untilNoticed, lingers: true,
		do: midGlobals(through, vanish),
	},
	{
		name: "restore, Ctrl-C in the globals", what: "Ctrl-C while the globals are restored", own: true,
		exit: 1, oneOf: stoppedWords, target: nothingMade,
		do: midGlobals(direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, SIGKILL in the globals", what: "plakar is killed (`kill -9`) while the globals are restored", own: true,
		exit: killed, target: nothingMade,
		do: midGlobals(direct, nothing, (*harness.Process).Kill),
	},
	{
		name: "restore, session terminated in CREATE DATABASE", what: "the session is ended while the new database is created, with `recreate`", own: true,
		exit: 1, says: []string{broken, "creating it anew", "terminating connection due to administrator command"}, target: asItWas,
		do: midRecreate(holdDatabases, direct, terminate),
	},
	{
		name: "restore, network gone in CREATE DATABASE", what: "the network is cut while the new database is created, with `recreate`", own: true,
		exit: 1, says: []string{broken, "creating it anew"}, target: asItWas, lingers: true, database: true,
		left: untilNoticed + ", and perhaps an empty database `plakar_restore_*`",
		do:   midRecreate(holdDatabases, through, vanish),
	},
	{
		name: "restore, Ctrl-C in CREATE DATABASE", what: "Ctrl-C while the new database is created, with `recreate`", own: true,
		exit: 1, oneOf: stoppedWords, target: asItWas,
		do: midRecreate(holdDatabases, direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, session terminated in the replacement", what: "the session is ended while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, says: []string{broken, "recreate", "terminating connection due to administrator command"}, target: asItWas,
		do: midRecreate(holdTarget, direct, terminate),
	},
	{
		name: "restore, Ctrl-C in the replacement", what: "Ctrl-C while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, oneOf: stoppedWords, target: asItWas,
		do: midRecreate(holdTarget, direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, SIGKILL in the replacement", what: "plakar is killed (`kill -9`) while the new database takes the place of the old one, with `recreate`", own: true,
		exit: killed, target: asItWas,
		do: midRecreate(holdTarget, direct, nothing, (*harness.Process).Kill),
	},
}

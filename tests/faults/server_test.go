//go:build linux

package faults

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

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

// midLoad runs a restore with recreate, and breaks something while rows are loaded into the new
// database: the server is stopped, unless end ends plakar.
func midLoad(end func(*harness.Process), stop bool) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
		s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
		s.server.Exec(s, s.db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
		s.destination(nil, "recreate=true", "no_globals=true")
		run := s.restore()
		name := ""
		s.until("the new database is there", eventually, func() bool {
			name = s.server.QueryText(s, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'plakar%' AND datallowconn")
			return name != ""
		})
		conn := s.server.Connect(s, name)
		_, err := conn.Exec(context.Background(), "BEGIN; LOCK TABLE pg_catalog.pg_largeobject IN ACCESS EXCLUSIVE MODE")
		must(s, err)
		s.done = append(s.done, func() { _ = conn.Close(context.Background()) })
		s.blocked()
		if stop {
			s.server.Stop(harness.Fast)
		}
		end(run)
		return s.end(run)
	}
}

// recreateOnSmallDisk replaces a database on a file system that has no room for its rows twice.
func recreateOnSmallDisk(s *scene) harness.Result {
	s.Helper()
	dir := s.server.Dir(s, "small")
	var owner syscall.Stat_t
	must(s, syscall.Stat(dir, &owner))
	s.small(dir, "64m")
	must(s, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	s.server.Stop(harness.Fast) // a container has what was mounted when it started
	s.server.Start(s)
	s.server.Exec(s, "postgres", "CREATE TABLESPACE small LOCATION "+harness.Literal(dir))
	s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db+" TABLESPACE small")
	s.server.Exec(s, s.db, "CREATE TABLE t AS SELECT g AS x, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g")
	s.plakar.SourceAdd("mypg", s.url(nil), s.with(nil)...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	s.server.Exec(s, s.db, "TRUNCATE t; INSERT INTO t VALUES (1)")
	s.fill(filepath.Join(dir, "filler"), 16<<20)
	s.plakar.DestinationAdd("dst", s.url(nil), s.with([]string{"recreate=true", "no_globals=true"})...)
	return s.end(s.restore())
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
		exit: 1, says: []string{broken, "recreate", "terminating connection due to administrator command", "to exchange them by hand"}, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, direct, terminate),
	},
	{
		name: "restore, Ctrl-C in the replacement", what: "Ctrl-C while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, oneOf: stoppedWords, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, SIGKILL in the replacement", what: "plakar is killed (`kill -9`) while the new database takes the place of the old one, with `recreate`", own: true,
		exit: killed, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, direct, nothing, (*harness.Process).Kill),
	},
	{
		name: "restore, network gone in the replacement", what: "the network is cut while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, says: []string{broken, "recreate"}, target: asItWas, lingers: true, database: true, left: untilNoticed + ", and " + besideIt,
		do: midRecreate(holdTarget, through, vanish),
	},
	{
		name: "restore, SIGKILL while the new database is loaded", what: "plakar is killed (`kill -9`) while the new database is loaded, with `recreate`", own: true,
		exit: killed, target: asItWas, database: true, left: incompleteBeside,
		do: midLoad((*harness.Process).Kill, false),
	},
	{
		name: "restore, server stopped while the new database is loaded", what: "the server is stopped while the new database is loaded, with `recreate`", own: true,
		exit: 1, says: []string{broken}, target: outcome{"it is left as it was, when the server is there again", func(s *scene) {
			s.server.Start(s)
			asItWas.check(s)
		}}, database: true, left: incompleteBeside,
		do: midLoad(func(*harness.Process) {}, true),
	},
	{
		name: "restore, disk full while the new database is loaded", what: "the server's disk is full while the new database is loaded, with `recreate`", own: true,
		exit: 1, says: []string{broken, "the server's disk is full: the new database was dropped", "hint: recreate=first"}, target: asItWas,
		do: recreateOnSmallDisk,
	},
}

// What a restore with recreate leaves that did not end.
const (
	besideIt         = "the new database, complete, which a comment says and no restore drops"
	incompleteBeside = "the new database, which the next restore with `recreate` drops when it has succeeded"
)

//go:build linux

package faults

import (
	"context"
	"path/filepath"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// manner is a way to replace a database.
type manner struct {
	recreate string
	parted   bool // the snapshot has layout=tables
}

var (
	beside     = manner{recreate: "true"}
	partByPart = manner{recreate: "true", parted: true}
	keeping    = manner{recreate: "keep"}
	before     = manner{recreate: "first"}
)

// replaceable makes a database that is there, and the destination that replaces it.
func (s *scene) replaceable(m manner, at *proxy) {
	s.Helper()
	s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
	s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
	s.server.Exec(s, s.db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	if m.parted {
		s.plakar.SourceAdd("parts", s.stage.server.URL("origin"), s.stage.server.BinDirOption(), "layout=tables")
		s.snapshot = s.plakar.MustBackup("@parts")
	}
	s.destination(at, "recreate="+m.recreate, "no_globals=true")
}

// midRecreate replaces a database that is there, and breaks something while a statement waits for what hold locks.
func midRecreate(hold func(s *scene), m manner, at func(s *scene) *proxy, act func(s *scene, p *proxy, pid string), send ...func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := at(s)
		s.replaceable(m, p)
		hold(s)
		return s.midway(p, act, send)
	}
}

// midLoad replaces a database that is there, and breaks something while the new one is loaded.
func midLoad(m manner, act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.replaceable(m, nil)
		old := s.server.QueryText(s, "postgres", "SELECT oid FROM pg_database WHERE datname = "+harness.Literal(s.db))
		run := s.restore()
		name := ""
		s.until("the new database is there", eventually, func() bool {
			sql := "SELECT datname FROM pg_database WHERE datname LIKE 'plakar%' AND datallowconn"
			if m == before {
				sql = "SELECT datname FROM pg_database WHERE datname = " + harness.Literal(s.db) + " AND oid <> " + old
			}
			name = s.server.QueryText(s, "postgres", sql)
			return name != ""
		})
		conn := s.server.Connect(s, name)
		_, err := conn.Exec(context.Background(), "BEGIN; LOCK TABLE pg_catalog.pg_largeobject IN ACCESS EXCLUSIVE MODE")
		must(s, err)
		s.done = append(s.done, func() { _ = conn.Close(context.Background()) })
		s.blocked()
		act(s, run)
		return s.end(run)
	}
}

func killPlakar(_ *scene, run *harness.Process) { run.Kill() }

func stopServer(s *scene, _ *harness.Process) { s.server.Stop(harness.Fast) }

// asItWasAgain is asItWas on a server that was stopped.
var asItWasAgain = outcome{asItWas.text + ", when the server is there again", func(s *scene) {
	s.server.Start(s)
	asItWas.check(s)
}}

// recreateOnSmallDisk replaces a database on a file system that has no room for its rows twice. The new one has a
// subscription by then, and has to be dropped even so.
func recreateOnSmallDisk(layout string, options ...string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result { return s.recreateOnSmallDisk(layout, options) }
}

func (s *scene) recreateOnSmallDisk(layout string, options []string) harness.Result {
	s.Helper()
	dir := s.smallTablespace("64m")
	s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db+" TABLESPACE small")
	s.server.Exec(s, s.db, "CREATE TABLE t AS SELECT g AS x, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g")
	s.server.Exec(s, s.db, "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
	s.server.Exec(s, s.db, "CREATE TABLE u AS SELECT g AS x FROM generate_series(1, 5000) g")
	s.plakar.SourceAdd("mypg", s.url(nil), s.with([]string{"layout=" + layout, "table_size=0"})...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	s.server.Exec(s, s.db, "TRUNCATE t; INSERT INTO t VALUES (1)")
	s.fill(filepath.Join(dir, "filler"), 16<<20)
	s.plakar.DestinationAdd("dst", s.url(nil), s.with(append(options, "recreate=true", "no_globals=true"))...)
	return s.end(s.restore())
}

// cutLoad replaces a database that is there; the network is cut while rows are sent. Then something else may break.
func cutLoad(m manner, act func(s *scene)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := through(s)
		s.replaceable(m, p)
		cut := make(chan struct{})
		p.after(1<<20, func() {
			p.vanish()
			close(cut)
		})
		run := s.restore()
		<-cut
		act(s)
		return s.end(run)
	}
}

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

// recreateFaults are about databases that are replaced.
var recreateFaults = []fault{
	{
		name: "restore, session terminated in CREATE DATABASE", what: "the session is ended while the new database is created, with `recreate`", own: true,
		exit: 1, says: []string{broken, "creating it anew", "terminating connection due to administrator command"}, target: asItWas,
		do: midRecreate(holdDatabases, beside, direct, terminate),
	},
	{
		name: "restore, network gone in CREATE DATABASE", what: "the network is cut while the new database is created, with `recreate`", own: true,
		exit: 1, says: []string{broken, "creating it anew"}, target: asItWas, lingers: true, database: true,
		left: untilNoticed + ", and perhaps an empty database `plakar_restore_*`",
		do:   midRecreate(holdDatabases, beside, through, vanish),
	},
	{
		name: "restore, Ctrl-C in CREATE DATABASE", what: "Ctrl-C while the new database is created, with `recreate`", own: true,
		exit: 1, oneOf: stoppedWords, target: asItWas,
		do: midRecreate(holdDatabases, beside, direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, session terminated in the replacement", what: "the session is ended while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, says: []string{broken, "recreate", "terminating connection due to administrator command", "to exchange them by hand"}, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, beside, direct, terminate),
	},
	{
		name: "restore, Ctrl-C in the replacement", what: "Ctrl-C while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, oneOf: stoppedWords, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, beside, direct, nothing, (*harness.Process).Interrupt),
	},
	{
		name: "restore, SIGKILL in the replacement", what: "plakar is killed (`kill -9`) while the new database takes the place of the old one, with `recreate`", own: true,
		exit: killed, target: asItWas, database: true, left: besideIt,
		do: midRecreate(holdTarget, beside, direct, nothing, (*harness.Process).Kill),
	},
	{
		name: "restore, network gone in the replacement", what: "the network is cut while the new database takes the place of the old one, with `recreate`", own: true,
		exit: 1, says: []string{broken, "recreate"}, target: asItWas, lingers: true, database: true, left: untilNoticed + ", and " + besideIt,
		do: midRecreate(holdTarget, beside, through, vanish),
	},
	{
		name: "restore, SIGKILL while the new database is loaded", what: "plakar is killed (`kill -9`) while the new database is loaded, with `recreate`", own: true,
		exit: killed, target: asItWas, database: true, left: incompleteBeside,
		do: midLoad(beside, killPlakar),
	},
	{
		name: "restore, SIGKILL while the new database is loaded in parts", what: "the same, with `layout=tables`", own: true,
		exit: killed, target: asItWas, database: true, left: incompleteBeside,
		do: midLoad(partByPart, killPlakar),
	},
	{
		name: "restore, server stopped while the new database is loaded", what: "the server is stopped while the new database is loaded, with `recreate`", own: true,
		exit: 1, says: []string{broken}, target: asItWasAgain, database: true, left: incompleteBeside,
		do: midLoad(beside, stopServer),
	},
	{
		name: "restore, server stopped while the new database is loaded in parts", what: "the same, with `layout=tables`", own: true,
		exit: 1, says: []string{broken}, target: asItWasAgain, database: true, left: incompleteBeside,
		do: midLoad(partByPart, stopServer),
	},
	{
		name: "restore, network gone while the new database is loaded", what: "the network is cut while rows are sent (`tcp_user_timeout` is set), with `recreate`", own: true,
		exit: 1, says: []string{broken, "pg_restore", "recreate: the old database was left as it is", "to exchange them by hand"}, target: asItWas, lingers: true, database: true,
		left: untilNoticed + ", and " + incompleteBeside,
		do:   cutLoad(beside, func(*scene) {}),
	},
	{
		name: "restore, network gone, then the server, while the new database is loaded in parts", what: "the same, with `layout=tables`; then the server is stopped (`pg_ctl stop -m immediate`)", own: true,
		exit: 1, says: []string{broken, "pg_restore"}, target: asItWasAgain, database: true, left: incompleteBeside,
		do: cutLoad(partByPart, func(s *scene) { s.server.Stop(harness.Immediate) }),
	},
	{
		name: "restore, plugin killed while the new database is loaded", what: pluginKilled + ", while the new database is loaded, with `recreate=keep`", own: true,
		exit: 1, says: []string{"signal: killed"}, target: asItWas, database: true, left: incompleteBeside, lingers: true,
		do: midLoad(keeping, func(s *scene, _ *harness.Process) { s.endPlugin(true) }),
	},
	{
		name: "restore, server stopped in the replacement", what: "the server is stopped while the new database takes the place of the old one, with `recreate=keep`", own: true,
		exit: 1, says: []string{broken, "recreate", "to exchange them by hand"}, target: asItWasAgain, database: true, left: besideIt,
		do: midRecreate(holdTarget, keeping, direct, func(s *scene, _ *proxy, _ string) { s.server.Stop(harness.Fast) }),
	},
	{
		name: "restore, SIGKILL before the old database is dropped", what: "plakar is killed (`kill -9`) before the old database is dropped, with `recreate=first`", own: true,
		exit: killed, target: asItWas,
		do: midRecreate(holdTarget, before, direct, nothing, (*harness.Process).Kill),
	},
	{
		name: "restore, server stopped when the old database is dropped", what: "the server is stopped while the new database is loaded, with `recreate=first`", own: true,
		exit: 1, says: []string{broken}, target: outcome{"the old one has gone; what was restored before of the new one", func(s *scene) {
			s.server.Start(s)
			s.finds("SELECT x FROM other", "7")
			s.finds("SELECT count(*) FROM pg_largeobject", "0")
		}},
		do: midLoad(before, stopServer),
	},
	{
		name: "restore, disk full while the new database is loaded", what: "the server's disk is full while the new database is loaded, with `recreate`", own: true,
		exit: 1, says: []string{broken, "the server's disk is full: the new database was dropped", "hint: recreate=first"}, target: asItWas,
		do: recreateOnSmallDisk("single"),
	},
	{
		name: "restore, disk full while the new database is loaded in parts", what: "the same, with `layout=tables` and `jobs=2`", own: true,
		exit: 1, says: []string{broken, "the server's disk is full: the new database was dropped", "hint: recreate=first"}, target: asItWas,
		do: recreateOnSmallDisk("tables", "jobs=2"),
	},
}

// What a restore with recreate leaves that did not end.
const (
	besideIt         = "the new database, complete, which a comment says and no restore drops"
	incompleteBeside = "the new database, which the next restore with `recreate` drops when it has succeeded"
)

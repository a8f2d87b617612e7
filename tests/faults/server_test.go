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

// nothing is done to the session: plakar is ended.
func nothing(*scene, *proxy, string) {}

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
}

//go:build linux

package faults

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

const (
	// soon is how long what a run used may outlive it: the promise of docs/faults.md.
	soon = 5 * time.Second
	// eventually is for what has no promise, or a longer one.
	eventually = 3 * time.Minute
)

// stage is what faults share: a server with the database "origin", and a store
// with a snapshot of that.
type stage struct {
	server   *harness.Server
	store    string
	snapshot string
	last     atomic.Int64

	t    *testing.T // of all scenes
	once sync.Once
	base base // see physicalBase
	walStage
}

// content is a database whose dump takes more than any buffer on its way, with a
// large object, which comes last in a dump.
const content = `CREATE EXTENSION citext; CREATE TABLE t (x int PRIMARY KEY, v text);
	INSERT INTO t SELECT g, (SELECT string_agg(md5((g * i)::text), '') FROM generate_series(1, 16) i) FROM generate_series(1, 12000) g;
	CREATE TABLE other (x int, y citext); ALTER TABLE other OWNER TO faults_owner; INSERT INTO other VALUES (7);
	SELECT lo_from_bytea(0, 'a large object');`

func newStage(t *testing.T, opts ...harness.Option) *stage {
	t.Helper()
	st := &stage{t: t, server: harness.Start(t, append(opts, harness.Conf("max_connections = 100"))...)}
	st.server.Exec(t, "postgres", "CREATE DATABASE origin")
	st.server.Exec(t, "postgres", "CREATE ROLE faults_owner")
	st.server.Exec(t, "origin", content)
	p := harness.NewPlakar(t)
	p.SourceAdd("origin", st.server.URL("origin"), st.server.BinDirOption())
	p.NewStore() // a plakar with another one reads it as well
	st.store, st.snapshot = p.Store, p.MustBackup("@origin")
	return st
}

// scene is where one fault happens: plakar, a server, and a database on it that is
// nobody else's: a copy of origin for a backup, the target for a restore.
type scene struct {
	*testing.T
	stage  *stage
	plakar *harness.Plakar
	server *harness.Server
	name   string // nobody else's
	db     string
	// ownStream asks for a cluster with tablespaces and the replication protocol, not
	// pg_basebackup.
	ownStream bool
	query     []string // more parameters of the URI
	snapshot  string   // to restore; "" for the stage's
	directory string   // of a physical restore; see dataDir
	saves     bool     // it is about a backup
	said      string   // what plakar said
	walScene
	done []func() // undo what the fault did, after what is left was looked at
}

func (st *stage) scene(t *testing.T, f fault) *scene {
	t.Helper()
	s := &scene{T: t, stage: st, plakar: harness.NewPlakar(t), server: st.server, ownStream: f.ownStream}
	s.name = fmt.Sprintf("db%d", st.last.Add(1))
	s.db = s.name
	if f.own {
		s.server = harness.Start(t)
	}
	return s
}

// source makes the database, and a source "mypg" of it at an address that is the
// server's, unless a proxy is in between.
func (s *scene) source(at *proxy, options ...string) {
	s.Helper()
	if s.server == s.stage.server {
		s.copyOrigin()
	} else {
		s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
		s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
		s.server.Exec(s, s.db, content)
	}
	s.plakar.SourceAdd("mypg", s.url(at), s.with(options)...)
	s.saves = true
}

// copyOrigin makes the database from its template, which nobody else may use
// meanwhile.
func (s *scene) copyOrigin() {
	s.Helper()
	deadline := time.Now().Add(eventually)
	for {
		err := s.server.TryExec("postgres", "CREATE DATABASE "+s.db+" TEMPLATE origin")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// destination configures the destination "dst", whose one database is this scene's.
// The dump of origin is restored into it as it arrives.
func (s *scene) destination(at *proxy, options ...string) {
	s.Helper()
	s.plakar.DestinationAdd("dst", s.url(at), append(s.with(options), "databases=origin")...)
}

// target makes the target database with the tables of the snapshot, but no rows,
// and the destination that fills it.
func (s *scene) target(at *proxy, options ...string) {
	s.Helper()
	s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
	s.server.Exec(s, s.db, "CREATE TABLE t (x int PRIMARY KEY, v text); CREATE TABLE other (x int, y text)")
	s.destination(at, append(options, "data_only=true")...)
}

// session is the application_name of this scene's sessions: what else would tell
// them from those of other scenes, whatever database they are in?
func (s *scene) session() string { return "plakar of " + s.name }

// url is the URI of the scene's database. Through a proxy, the network's death
// is noticed sooner than by default.
func (s *scene) url(at *proxy) string {
	s.Helper()
	u, err := url.Parse(s.server.URL(s.db))
	if err != nil {
		s.Fatal(err)
	}
	query := append(slices.Clone(s.query), "application_name="+url.PathEscape(s.session()))
	if at != nil {
		u.Host = at.addr()
		query = append(query, "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&connect_timeout=2&tcp_user_timeout=3000")
	}
	u.RawQuery = strings.Join(query, "&")
	return u.String()
}

// with adds the server's own tools to options that name none.
func (s *scene) with(options []string) []string {
	for _, o := range options {
		if strings.HasPrefix(o, "pg_bin_dir=") {
			return options
		}
	}
	return append([]string{s.server.BinDirOption()}, options...)
}

// backup starts a backup.
func (s *scene) backup() *harness.Process { return s.plakar.Start("backup", "@mypg") }

// restore starts a restore.
func (s *scene) restore() *harness.Process {
	if s.snapshot == "" {
		s.plakar.Store, s.snapshot = s.stage.store, s.stage.snapshot
	}
	return s.plakar.Start("restore", "-to", "@dst", s.snapshot)
}

// end waits for the end of a command that must not hang.
func (s *scene) end(p *harness.Process) harness.Result {
	s.Helper()
	result, ok := p.WaitFor(eventually)
	if !ok {
		p.Signal(syscall.SIGQUIT) // it prints where it hangs
		s.Fatalf("plakar hangs:\n%s", p.Wait().Output())
	}
	return result
}

// lock holds an exclusive lock on a table until release is called, at the latest
// when the test ends.
func (s *scene) lock(name string) (conn *pgx.Conn, release func()) {
	s.Helper()
	conn = s.server.Connect(s, s.db)
	for _, sql := range []string{"BEGIN", "LOCK TABLE " + name + " IN ACCESS EXCLUSIVE MODE"} {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			s.Fatal(err)
		}
	}
	release = func() { _ = conn.Close(context.Background()) }
	s.Cleanup(release)
	return conn, release
}

// halt keeps a dump from its end, when the rows are through already: large objects
// are what pg_dump saves last.
func (s *scene) halt() (release func()) {
	s.Helper()
	_, release = s.lock("pg_catalog.pg_largeobject")
	return release
}

// blocked waits until a session of ours waits for a lock, and returns its process
// ID on the server.
func (s *scene) blocked() (pid string) {
	s.Helper()
	s.until("a session of plakar waits for the lock", eventually, func() bool {
		pid = s.server.QueryText(s, "postgres",
			"SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = "+harness.Literal(s.session()))
		return pid != ""
	})
	return pid
}

// leastLooks is how often a condition is looked at before it counts as missed: on a machine
// with nothing else to do, a limit of 5 s is three times as many. Under load, what is
// waited for takes longer, and so do the looks.
const leastLooks = 50

// until polls a condition.
func (s *scene) until(what string, limit time.Duration, condition func() bool, detail ...*string) {
	s.Helper()
	deadline := time.Now().Add(limit)
	for looks := 1; !condition(); looks++ {
		if looks > leastLooks && time.Now().After(deadline) {
			for _, text := range detail {
				what += ": " + *text
			}
			s.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// tool returns the process ID of a client tool that this scene's plakar started.
func (s *scene) tool(name string) int {
	s.Helper()
	var pid int
	s.until(name+" runs", eventually, func() bool {
		for id, command := range s.processes() {
			if command == name {
				pid = id
			}
		}
		return pid != 0
	})
	return pid
}

// processes lists what this scene's plakar started and what those started: they
// share its home. plakar itself and its cache daemon are left out.
func (s *scene) processes() map[int]string {
	found := s.plakar.Processes()
	maps.DeleteFunc(found, func(_ int, name string) bool { return name == "plakar" })
	return found
}

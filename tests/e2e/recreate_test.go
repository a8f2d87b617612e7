//go:build linux

package e2e

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// replaced is a server with a database that is to be replaced, and its dump.
type replaced struct {
	server *harness.Server
	plakar *harness.Plakar
	dump   []byte
}

func newReplaced(t *testing.T, opts ...harness.Option) replaced {
	t.Helper()
	r := replaced{server: harness.Start(t, opts...), plakar: harness.NewPlakar(t)}
	r.server.Exec(t, "postgres", "CREATE DATABASE shop")
	r.server.Exec(t, "shop", "CREATE TABLE t (x int)")
	r.plakar.SourceAdd("mypg", r.server.URL("shop"), r.server.BinDirOption())
	r.plakar.DestinationAdd("dst", r.server.URL(""), r.server.BinDirOption(), "recreate=true", "no_globals=true")
	r.dump = r.plakar.Cat(r.plakar.MustBackup("@mypg"), "/00001-shop.dump")
	r.server.Exec(t, "shop", "INSERT INTO t VALUES (1)")
	r.server.Exec(t, "postgres", "ALTER DATABASE shop CONNECTION LIMIT 7 IS_TEMPLATE true")
	return r
}

// begin begins to restore the dump, without plakar, and returns when that waits for a
// lock that keeps the database from being renamed.
func (r replaced) begin(t *testing.T) (target *logical.Exporter, cancel context.CancelFunc, ended <-chan error) {
	t.Helper()
	made, err := logical.New("postgres", map[string]string{
		"location": r.server.URL(""), "recreate": "true",
		"pg_bin_dir": strings.TrimPrefix(r.server.BinDirOption(), "pg_bin_dir="),
	}, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	target = made.(*logical.Exporter)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r.hold(t)
	returned := make(chan error, 1)
	go func() {
		var outcome error
		record := &connectors.Record{Pathname: "/00001-shop.dump", FileInfo: objects.FileInfo{Lname: "00001-shop.dump", Lmode: 0o600}}
		if err := target.Restore(ctx, record, bytes.NewReader(r.dump), func(err error) { outcome = err }); err != nil {
			outcome = err
		}
		returned <- outcome
	}()
	r.waits(t)
	return target, cancel, returned
}

// hold keeps the database from being renamed until release is called.
func (r replaced) hold(t *testing.T) (release func()) {
	t.Helper()
	conn := r.server.Connect(t, "postgres")
	if _, err := conn.Exec(context.Background(), "BEGIN; COMMENT ON DATABASE shop IS 'held'"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close(context.Background()) }
}

// waits returns when a session of ours waits for the lock.
func (r replaced) waits(t *testing.T) {
	t.Helper()
	r.until(t, "plakar waits for the lock", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plakar' AND state = 'active' AND query ~ '^(ALTER DATABASE .* RENAME|DROP DATABASE)'", "1")
}

func (r replaced) until(t *testing.T, what, sql, want string) {
	t.Helper()
	eventually(t, what, func() bool { return r.server.QueryText(t, "postgres", sql) == want })
}

const ours = "SELECT count(*) FROM pg_database WHERE datname LIKE 'plakar%'"

// marks are the comments that say what databases of ours are.
const marks = "SELECT string_agg(substring(shobj_description(oid, 'pg_database') from '^plakar: ([a-z]+), for database OID'), ',') FROM pg_database WHERE datname LIKE 'plakar%'"

// kill ends the plugin in a way that leaves it no time for anything.
func (r replaced) kill(t *testing.T, run *harness.Process) {
	t.Helper()
	processes := plugins(r.plakar)
	slices.Sort(processes)
	for _, pid := range slices.Backward(processes) { // before the front, the worker, which would clean up
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if result, ok := run.WaitFor(3 * time.Minute); !ok || result.ExitCode == 0 {
		t.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	r.until(t, "its session ends", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plakar'", "0")
}

// untouched checks that the old database is as it was.
func (r replaced) untouched(t *testing.T) {
	t.Helper()
	query(t, r.server, "postgres", "SELECT datistemplate, datallowconn, datconnlimit FROM pg_database WHERE datname = 'shop'", "t|t|7")
	query(t, r.server, "shop", countT, "1")
}

// When the restore is cancelled in the exchange, the old database is as it was when its call returns, so
// that nothing is at work when the exporter is closed. The new one stays: it is complete.
func TestRecreateCancelled(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	target, cancel, ended := r.begin(t)
	start := time.Now()
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "to exchange them by hand") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	r.untouched(t)
	query(t, r.server, "postgres", marks, "complete")
	if err := target.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A complete database that a killed plugin leaves behind is never dropped, an incomplete one only by the
// next restore that succeeds.
func TestRecreateKilled(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	release := r.hold(t)
	snapshot := r.plakar.Snapshots()[0]
	run := r.plakar.Start("restore", "-to", "@dst", snapshot)
	r.waits(t)
	query(t, r.server, "postgres", ours, "1")
	r.kill(t, run)
	query(t, r.server, "postgres", marks, "complete")
	r.untouched(t)
	const left = "plakar_restore_ABCDEFGHIJKLMNOPQRSTUVWXY2"
	oid := r.server.QueryText(t, "postgres", "SELECT oid FROM pg_database WHERE datname = 'shop'")
	r.server.Exec(t, "postgres", "CREATE DATABASE \""+left+"\"")
	r.server.Exec(t, "postgres", "COMMENT ON DATABASE \""+left+"\" IS 'plakar: incomplete, for database OID "+oid+": shop'")
	// Databases that only look like ours are not dropped.
	const theirs = "plakar_restore_1_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	r.server.Exec(t, "postgres", "CREATE DATABASE \""+theirs+"\"")
	r.server.Exec(t, "postgres", "CREATE DATABASE plakar_restore_mine ALLOW_CONNECTIONS false")
	release()
	r.plakar.MustRestore("@dst", snapshot)
	query(t, r.server, "postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE datname LIKE 'plakar%' AND shobj_description(oid, 'pg_database') IS NULL", theirs+",plakar_restore_mine")
	query(t, r.server, "postgres", marks, "complete")
	query(t, r.server, "shop", countT, "0")
}

// recreate=first drops the old database before; if it cannot, the old one is as it was.
func TestRecreateFirst(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	release := r.hold(t)
	run := r.plakar.Start("restore", "-to", "@dst", "-o", "recreate=first", r.plakar.Snapshots()[0])
	r.waits(t)
	r.server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plakar' AND query ~ 'RENAME'")
	release()
	if result, ok := run.WaitFor(3 * time.Minute); !ok || result.ExitCode == 0 {
		t.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	r.untouched(t)
	query(t, r.server, "postgres", ours, "0")
	r.plakar.MustRestore("@dst", r.plakar.Snapshots()[0], "-o", "recreate=first")
	query(t, r.server, "shop", countT, "0")
	query(t, r.server, "postgres", ours, "0")
}

// A database whose DROP was interrupted can only be dropped.
func TestRecreateInvalid(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	r.server.Exec(t, "postgres", "UPDATE pg_database SET datconnlimit = -2, datistemplate = false WHERE datname = 'shop'")
	r.plakar.MustRestore("@dst", r.plakar.Snapshots()[0])
	query(t, r.server, "postgres", ours, "0")
	query(t, r.server, "shop", countT, "0")
}

// force ends sessions that come back at once, too.
func TestRecreateForced(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				conn, err := pgx.Connect(ctx, r.server.URL("shop"))
				if err == nil {
					_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
					_ = conn.Close(context.Background())
				}
			}
		})
	}
	r.until(t, "the clients are there", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND datname = 'shop'", "4")
	r.plakar.MustRestore("@dst", r.plakar.Snapshots()[0], "-o", "force=true")
	cancel()
	clients.Wait()
	query(t, r.server, "postgres", ours, "0")
	query(t, r.server, "shop", countT, "0")
}

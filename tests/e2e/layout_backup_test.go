package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

const holders = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plakar%' AND state = 'idle in transaction'"

// waitingTools returns the option for a folder of tools whose pg_dump waits before it
// dumps the section, until release is called; waits reports whether it does.
func waitingTools(t *testing.T, s *harness.Server, section string) (option string, waits func() bool, release func()) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"pg_dumpall", "pg_restore", "psql"} {
		if err := os.Symlink(s.ClientTool(tool), filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	waiting, released := filepath.Join(bin, "waiting"), filepath.Join(bin, "released")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *--section=%s*) : >%s; while [ ! -e %s ]; do sleep 0.05; done;; esac\nexec %s \"$@\"\n",
		section, waiting, released, s.ClientTool("pg_dump"))
	if err := os.WriteFile(filepath.Join(bin, "pg_dump"), []byte(script), 0o755); err != nil { //nolint:gosec // has to be executable
		t.Fatal(err)
	}
	waits = func() bool { _, err := os.Stat(waiting); return err == nil }
	return "pg_bin_dir=" + bin, waits, func() { write(t, released, "") }
}

// held is a running backup of the database "first", whose snapshot is taken and whose
// post-data waits.
func held(t *testing.T, options ...string) (s source, run *harness.Process, release func()) {
	t.Helper()
	s = source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", shop)
	tools, waits, release := waitingTools(t, s.server, "post-data")
	s.plakar.SourceAdd("mypg", s.server.URL("first"), append(append(inParts, tools), options...)...)
	run = s.plakar.Start("backup", "@mypg")
	// A session in a transaction would not do: it may not have all locks yet.
	eventually(t, "post-data waits", waits)
	return s, run, release
}

// While the backup runs, TRUNCATE has to wait: it would take the rows from the
// snapshot. And a table that is created meanwhile does not matter.
func TestTruncateWaits(t *testing.T) {
	t.Parallel()
	s, run, release := held(t)
	err := s.server.TryExec("first", "SET lock_timeout = '200ms'; TRUNCATE t CASCADE")
	if err == nil || !strings.Contains(err.Error(), "55P03") {
		t.Errorf("TRUNCATE: %v", err)
	}
	s.server.Exec(t, "first", "CREATE TABLE later (x int); DELETE FROM to_t")
	release()
	ok(t, run.Wait())
	dst := harness.Start(t)
	s.plakar.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	s.plakar.MustRestore("@dst", s.plakar.Snapshots()[0])
	query(t, dst, "first", countT, "1000")
	query(t, dst, "first", "SELECT count(*) FROM to_t", "1")
	eventually(t, "no session left", func() bool { return s.server.QueryText(t, "first", holders) == "0" })
}

// An ALTER TABLE that waits for the end of the backup makes what comes after it wait,
// pg_dump as well: that ends the backup, and says why.
func TestQueuedAlter(t *testing.T) {
	t.Parallel()
	s, run, release := held(t, "lock_timeout=1s")
	conn := s.server.Connect(t, "first")
	altered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "ALTER TABLE t ADD COLUMN y int DEFAULT 1")
		altered <- err
	}()
	eventually(t, "ALTER TABLE waits", func() bool {
		return s.server.QueryText(t, "first", "SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"
	})
	release()
	result, ended := run.WaitFor(time.Minute)
	if !ended {
		t.Fatal("the backup hangs")
	}
	failed(t, result, `database "first", indexes and constraints`, "hint: these sessions wait for the end of the backup", "(public.t)")
	if err := <-altered; err != nil {
		t.Error(err)
	}
}

// A dead plakar leaves neither the session nor its locks behind.
func TestHolderDies(t *testing.T) {
	t.Parallel()
	s, run, _ := held(t)
	run.Kill()
	eventually(t, "no session left", func() bool {
		return s.server.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'first'") == "0"
	})

	// When the session is ended, the backup fails.
	s, run, release := held(t)
	s.server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = 'first'")
	release()
	failed(t, run.Wait(), `database "first"`)
	if snapshots := s.plakar.Snapshots(); len(snapshots) != 0 {
		t.Errorf("there are snapshots: %q", snapshots)
	}
}

// Tables that come and go between the listing and the snapshot.
func TestTableDropped(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE first")
	src.Exec(t, "first", "CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TABLE c (x int); INSERT INTO c VALUES (3)")
	conn := src.Connect(t, "first")
	for _, sql := range []string{"BEGIN", "LOCK TABLE a IN ACCESS EXCLUSIVE MODE"} {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("first"), append(inParts, src.BinDirOption())...)
	run := p.Start("backup", "@mypg")
	eventually(t, "the locks are waited for", func() bool {
		return src.QueryText(t, "first", "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass") == "1"
	})
	// TRUNCATE is committed before the locks are there: the snapshot has to know it.
	src.Exec(t, "first", "DROP TABLE b; CREATE TABLE d (x int); INSERT INTO d VALUES (4); TRUNCATE c; INSERT INTO c VALUES (5)")
	if _, err := conn.Exec(context.Background(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	result := run.Wait()
	ok(t, result)
	if !strings.Contains(result.Output(), "it was dropped before the backup") {
		t.Errorf("no warning:\n%s", result.Output())
	}
	dst := harness.Start(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	p.MustRestore("@dst", p.Snapshots()[0])
	harness.CompareDatabase(t, src, dst, "first", "first")
}

// All files are of one moment: what moves from one table to another is in just one
// of them.
func TestLayoutConsistent(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE bank")
	for _, table := range []string{"a", "b", "small"} {
		src.Exec(t, "bank", "CREATE TABLE "+table+" AS SELECT g AS id, 100::bigint AS amount, repeat(md5(g::text), 20) AS filler FROM generate_series(1, 20000) g; ALTER TABLE "+table+" ADD PRIMARY KEY (id)")
	}
	src.Exec(t, "bank", "DELETE FROM small WHERE id > 1000")
	src.Exec(t, "bank", "VACUUM FULL small")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("bank"), src.BinDirOption(), "layout=tables", "jobs=1")
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	conn := src.Connect(t, "bank")
	ctx, stop := context.WithCancel(context.Background())
	moves := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_, err := conn.Exec(context.Background(), fmt.Sprintf(`UPDATE a SET amount = amount - 1 WHERE id = %[1]d;
				UPDATE b SET amount = amount + 2 WHERE id = %[1]d; UPDATE small SET amount = amount - 1 WHERE id = %[1]d`, 1+n%1000))
			if err != nil {
				t.Error(err)
				break
			}
		}
		moves <- n
	}()
	snapshot := p.MustBackup("@mypg")
	stop()
	if n := <-moves; n < 10 {
		t.Errorf("only %d transactions ran during the backup", n)
	}
	_, paths := parts(t, p, snapshot, "bank")
	if got := strings.Join(paths, " "); !strings.Contains(got, "public.a.dump") || strings.Contains(got, "public.small") {
		t.Errorf("files: %s", got)
	}
	p.MustRestore("@dst", snapshot)
	query(t, dst, "bank", "SELECT sum(amount) FROM (SELECT amount FROM a UNION ALL SELECT amount FROM b UNION ALL SELECT amount FROM small) x", "4100000")
}

// After a change in one table, a second backup adds that table's change.
func TestLayoutSecondBackup(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE big")
	for _, table := range []string{"one", "two", "three"} {
		src.Exec(t, "big", "CREATE TABLE "+table+" AS SELECT g AS id, md5(g::text||'"+table+"') || md5((-g)::text||'"+table+"') AS text FROM generate_series(1, 100000) g")
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("big"), src.BinDirOption(), "layout=tables")
	snapshot := p.MustBackup("@mypg")
	if _, paths := parts(t, p, snapshot, "big"); len(paths) != 7 {
		t.Errorf("files: %q", paths)
	}
	before := size(t, p.Store)
	src.Exec(t, "big", "UPDATE two SET text = md5(text) || md5(reverse(text))")
	p.MustBackup("@mypg")
	// A third of the data is new.
	if added := size(t, p.Store) - before; added > before/2 || added < before/6 {
		t.Errorf("the first backup took %d bytes, the second adds %d", before, added)
	}
	before = size(t, p.Store)
	p.MustBackup("@mypg")
	// A dump begins with the time at which it was made: the first chunk is always new.
	if added := size(t, p.Store) - before; added > before/5 {
		t.Errorf("%d bytes are there, and a backup without a change adds %d", before, added)
	}
}

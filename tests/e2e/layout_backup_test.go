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

// waitingTools returns the option for a directory of tools whose pg_dump waits when it gets
// the argument, until release is called; waits reports whether it does.
func waitingTools(t *testing.T, s *harness.Server, argument string) (option string, waits func() bool, release func()) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"pg_dumpall", "pg_restore"} {
		if err := os.Symlink(s.ClientTool(tool), filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	waiting, released := filepath.Join(bin, "waiting"), filepath.Join(bin, "released")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *%s*) : >%s; while [ ! -e %s ]; do sleep 0.05; done;; esac\nexec %s \"$@\"\n",
		argument, waiting, released, s.ClientTool("pg_dump"))
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
	tools, waits, release := waitingTools(t, s.server, "--section=post-data")
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
	harness.OwnToolsOnly(t, "our own session holds the locks and the snapshot")
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
	harness.OwnToolsOnly(t, "our own session holds the locks and the snapshot")
	s, run, release := held(t, "lock_timeout=1s")
	conn := s.server.Connect(t, "first")
	altered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "ALTER TABLE t ADD COLUMN y int DEFAULT 1")
		altered <- err
	}()
	eventually(t, "ALTER TABLE waits", func() bool {
		return s.server.QueryText(t, "first", "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'") == "1"
	})
	release()
	result, ended := run.WaitFor(3 * time.Minute)
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
	harness.OwnToolsOnly(t, "our own session holds the locks and the snapshot")
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
	// TRUNCATE is committed before the locks are there: the snapshot has to know it. And
	// the name of a table may be a sequence's now.
	src.Exec(t, "first", "DROP TABLE b; CREATE SEQUENCE b; SELECT setval('b', 77); CREATE TABLE d (x int); INSERT INTO d VALUES (4); TRUNCATE c; INSERT INTO c VALUES (5)")
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

// Nothing locks views and functions: they are read before the hours of the data.
func TestViewDropped(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src, dst := harness.Start(t, harness.Major(major)), harness.Start(t, harness.Major(major))
		src.Exec(t, "postgres", "CREATE DATABASE first")
		const objects = shop + `; CREATE VIEW v AS SELECT x FROM t; CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
			CREATE FUNCTION changes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
			CREATE TRIGGER changes BEFORE UPDATE ON v FOR EACH STATEMENT EXECUTE FUNCTION changes();
			CREATE RULE nothing AS ON INSERT TO v DO INSTEAD NOTHING`
		src.Exec(t, "first", objects)
		src.Exec(t, "postgres", "CREATE DATABASE before TEMPLATE first")
		p := harness.NewPlakar(t)
		tools, waits, release := waitingTools(t, src, "--table=")
		p.SourceAdd("mypg", src.URL("first"), append(inParts, tools, "jobs=1")...)
		run := p.Start("backup", "@mypg")
		eventually(t, "the first table waits", waits)
		src.Exec(t, "first", "DROP VIEW v; DROP FUNCTION f(int); DROP FUNCTION changes()")
		release()
		ok(t, run.Wait())
		p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
		p.MustRestore("@dst", p.Snapshots()[0])
		harness.CompareDatabase(t, src, dst, "before", "first")
	})
}

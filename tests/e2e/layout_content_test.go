package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// All files are of one moment: what moves from one table to another, or to a large
// object, is in just one of them.
func TestLayoutConsistent(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session holds the locks and the snapshot")
	for _, jobs := range []string{"1", "4"} {
		t.Run("jobs="+jobs, func(t *testing.T) {
			t.Parallel()
			for range harness.Count(1, 5) {
				consistent(t, "jobs="+jobs)
			}
		})
	}
}

func consistent(t *testing.T, options ...string) {
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE bank")
	for _, table := range []string{"a", "b", "small"} {
		src.Exec(t, "bank", "CREATE TABLE "+table+" AS SELECT g AS id, 100::bigint AS amount, repeat(md5(g::text), 20) AS filler FROM generate_series(1, 20000) g; ALTER TABLE "+table+" ADD PRIMARY KEY (id)")
	}
	src.Exec(t, "bank", "DELETE FROM small WHERE id > 1000; SELECT lo_from_bytea(4711, '100000')")
	src.Exec(t, "bank", "VACUUM FULL small")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("bank"), append(options, src.BinDirOption(), "layout=tables")...)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	conn := src.Connect(t, "bank")
	ctx, stop := context.WithCancel(context.Background())
	moves := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			// Two go from a to b, and one from small to the object.
			_, err := conn.Exec(context.Background(), fmt.Sprintf(`UPDATE a SET amount = amount - 2 WHERE id = %[1]d;
				UPDATE b SET amount = amount + 2 WHERE id = %[1]d; UPDATE small SET amount = amount - 1 WHERE id = %[1]d;
				SELECT lo_put(4711, 0, '%[2]d')`, 1+n%1000, 100001+n))
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
	query(t, dst, "bank", "SELECT sum(amount) FROM (SELECT amount FROM a UNION ALL SELECT amount FROM b) x", "4000000")
	query(t, dst, "bank", "SELECT sum(amount) + convert_from(lo_get(4711), 'UTF8')::int FROM small", "200000")
	query(t, dst, "bank", "SELECT sum(amount) - 2 * (SELECT sum(amount) FROM small) FROM a", "1800000")
}

// After a change in one table, a second backup adds that table's change, and plakar
// diff names its file. The header of an archive does not say when it was made.
func TestLayoutSecondBackup(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		src.Exec(t, "postgres", "CREATE DATABASE big")
		for _, table := range []string{"one", "two", "three"} {
			src.Exec(t, "big", "CREATE TABLE "+table+" AS SELECT g AS id, md5(g::text||'"+table+"') || md5((-g)::text||'"+table+"') AS text FROM generate_series(1, 100000) g")
		}
		src.Exec(t, "big", "CREATE TABLE small AS SELECT 1 AS x; SELECT lo_from_bytea(0, 'large'); CREATE VIEW v AS SELECT * FROM one")
		p := harness.NewPlakar(t)
		p.SourceAdd("mypg", src.URL("big"), src.BinDirOption(), "layout=tables")
		started := time.Now()
		first := p.MustBackup("@mypg")
		if _, paths := parts(t, p, first, "big"); len(paths) != 7 {
			t.Errorf("files: %q", paths)
		}
		before := size(t, p.Store)
		time.Sleep(time.Until(started.Add(1100 * time.Millisecond))) // a header has whole seconds
		second := p.MustBackup("@mypg")
		if changed := differences(p, first, second); len(changed) > 0 {
			t.Errorf("without a change differ: %q", changed)
		}
		if added := size(t, p.Store) - before; added > before/10 {
			t.Errorf("%d bytes are there, and a backup without a change adds %d", before, added)
		}
		before = size(t, p.Store)
		src.Exec(t, "big", "UPDATE two SET text = md5(text) || md5(reverse(text))")
		third := p.MustBackup("@mypg")
		if changed := differences(p, second, third); !slices.Equal(changed, []string{"/00001-big/2-data/public.two.dump"}) {
			t.Errorf("after the change of a table differ: %q", changed)
		}
		// A third of the data is new.
		if added := size(t, p.Store) - before; added > before/2 || added < before/6 {
			t.Errorf("the first backup took %d bytes, the third adds %d", before, added)
		}
		listed(t, src, p, third)
	})
}

// differences returns the paths of the files that differ, but for those that always may:
// the manifest has the time, the description of the cluster has sizes, and pg_dumpall
// writes a random key.
func differences(p *harness.Plakar, a, b string) (paths []string) {
	for line := range strings.Lines(p.MustRun("diff", "-recursive", a, b).Stdout) {
		if binary, found := strings.CutPrefix(line, "Binary files "); found {
			line = "--- x:" + binary
		}
		if text, found := strings.CutPrefix(line, "--- "); found {
			_, path, _ := strings.Cut(strings.Fields(text)[0], ":")
			if path != recordname.Manifest && path != recordname.Cluster && path != recordname.Globals {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// listed checks that pg_restore reads each part, without a warning.
func listed(t *testing.T, s *harness.Server, p *harness.Plakar, snapshot string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	ok(t, p.Restore(dir, snapshot))
	_, paths := parts(t, p, snapshot, "big")
	for _, path := range paths {
		if !strings.HasSuffix(path, ".dump") {
			continue
		}
		cmd := exec.Command(s.ClientTool("pg_restore"), "-l", filepath.Join(dir, path)) //nolint:gosec // a test's own file
		cmd.Env = append(s.Env("big"), "TZ=Asia/Tokyo")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Archive created at 2000-01-01 00:00:00") || strings.Contains(string(out), "warning") {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
}

// Rows that are to be left out are left out of a large table's file, too.
func TestLayoutWithoutRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.snapshot = s.plakar.MustBackup("@mypg", "-o", "exclude_table_data=extra.*,public.to_t")
	dst, restore := s.destination(t)
	ok(t, restore(""))
	query(t, dst, "first", countT, "1000")
	query(t, dst, "first", "SELECT count(*) FROM to_t", "0")
	query(t, dst, "first", "SELECT count(*) FROM extra.u", "0")
	query(t, dst, "first", "SELECT last_value FROM counter", "5")
}

// Names are in the database's encoding, whatever the client's is.
func TestLayoutEncoding(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE west TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
	src.Exec(t, "west", `SET client_encoding = 'UTF8'; CREATE TABLE "größe" (x int, "straße" text); INSERT INTO "größe" VALUES (1, 'schön'); CREATE TABLE small (x int)`)
	p := harness.NewPlakar(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "recreate=true")
	for _, encoding := range []string{"", "UTF8", "LATIN1"} {
		p.SourceAdd("mypg"+encoding, src.URL("west")+"?client_encoding="+encoding, append(inParts, src.BinDirOption())...)
		p.MustRestore("@dst", p.MustBackup("@mypg"+encoding))
		harness.CompareDatabase(t, src, dst, "west", "west")
		query(t, dst, "west", `SELECT "straße" FROM "größe"`, "schön")
	}
}

// Of an extension's own table, the rows that are not the extension's belong to the
// database.
func TestLayoutExtension(t *testing.T) {
	t.Parallel()
	harness.OnlyMajor(t, 18, "only servers from PostgreSQL 18 on take extensions from a directory of one's own")
	src, dst := withExtension(t), withExtension(t)
	src.Exec(t, "postgres", "CREATE DATABASE first")
	src.Exec(t, "first", `CREATE EXTENSION settings; INSERT INTO setting VALUES ('mine', 'yes'), ('yours', 'no');
		CREATE TABLE uses (name text REFERENCES setting); INSERT INTO uses VALUES ('mine'), ('built in')`)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("first"), append(inParts, src.BinDirOption())...)
	snapshot := p.MustBackup("@mypg")
	if _, paths := parts(t, p, snapshot, "first"); slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, "public.setting") }) {
		t.Errorf("files: %q", paths)
	}
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "jobs=2")
	p.MustRestore("@dst", snapshot)
	query(t, dst, "first", "SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM setting", "built in=1 mine=yes yours=no")
	harness.CompareDatabase(t, src, dst, "first", "first")
}

// withExtension starts a server that has an extension with a table for configuration.
func withExtension(t *testing.T) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Major(18))
	share := s.Dir(t, "share")
	s.Dir(t, "share/extension")
	s.WriteFile(t, "../share/extension/settings.control", "default_version = '1'\n")
	s.WriteFile(t, "../share/extension/settings--1.sql", `CREATE TABLE setting (name text PRIMARY KEY, value text);
		INSERT INTO setting VALUES ('built in', '1');
		SELECT pg_extension_config_dump('setting', 'WHERE name <> ''built in''');`)
	s.Exec(t, "postgres", "ALTER SYSTEM SET extension_control_path = '$system:"+share+"'")
	s.Exec(t, "postgres", "SELECT pg_reload_conf()")
	eventually(t, "the extension is there", func() bool {
		return s.QueryText(t, "postgres", "SELECT count(*) FROM pg_available_extensions WHERE name = 'settings'") == "1"
	})
	return s
}

// The processes that lock all tables do so one after another: the server's lock table
// need not have room for all of them at once.
func TestLayoutLockTable(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	src := harness.Start(t, harness.Conf("max_locks_per_transaction = 10"))
	src.Exec(t, "postgres", "CREATE DATABASE many")
	src.Exec(t, "many", "CREATE TABLE large AS SELECT repeat(md5(g::text), 30) AS x FROM generate_series(1, 10000) g")
	tables := strconv.Itoa(harness.Count(500, 5000))
	src.Exec(t, "many", "DO $$ BEGIN FOR n IN 1.."+tables+" LOOP EXECUTE 'CREATE TABLE x' || n || ' (y int)'; IF n % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("many"), src.BinDirOption(), "layout=tables", "jobs=4")
	p.MustBackup("@mypg")
}

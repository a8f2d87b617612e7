package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A good physical snapshot passes every level, beside the original that runs; every row of
// every table is counted.
func TestCheckPhysical(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		src.Exec(t, harness.SeedDatabase, "TRUNCATE app.unlogged")
		withTablespace(t, src)
		src.Exec(t, "postgres", "CREATE MATERIALIZED VIEW shown AS SELECT * FROM far WHERE i <= 7")
		// What would reach the original, or the outside.
		for _, sql := range []string{
			"ALTER SYSTEM SET archive_mode = 'on'",
			"ALTER SYSTEM SET synchronous_standby_names = '*'", "ALTER SYSTEM SET max_connections = 333",
			"ALTER SYSTEM SET ssl_cert_file = '/nonexistent'", "ALTER SYSTEM SET default_transaction_read_only = 'on'",
		} {
			src.Exec(t, "postgres", sql)
		}
		src.WriteFile(t, "postgresql.conf", "data_directory = '"+src.DataDir+"'\nexternal_pid_file = '"+src.DataDir+"/pid'\nmax_prepared_transactions = 5\n")
		if major >= 17 { // which have triggers on login
			src.Exec(t, "postgres", `CREATE FUNCTION nobody() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
				IF current_setting('data_directory') LIKE '%plakar-check-%' THEN RAISE 'nobody gets in'; END IF; END $$;
				CREATE EVENT TRIGGER nobody ON login EXECUTE FUNCTION nobody()`)
		}
		p := physical(t, src)
		c := newProof(t, p, src)
		snapshot := p.MustBackup("@phys")

		r := c.passes(snapshot, "level=amcheck", "jobs=2")
		if got := rowsOf(r, "postgres", "public", "far"); got != 1000 {
			t.Errorf("far: %d rows", got)
		}
		if got := rowsOf(r, "postgres", "public", "shown"); got != 7 {
			t.Errorf("shown: %d rows", got)
		}
		if *r.Configuration != "backup" || *r.Snapshot.Kind != "physical" || *r.Snapshot.SystemIdentifier == "" || len(r.Steps) != 4 {
			t.Errorf("%+v", r)
		}
		checkCounts(t, src, r.Databases[0].Name, func(schema, table string) int64 { return rowsOf(r, r.Databases[0].Name, schema, table) })
		checkCounts(t, src, harness.SeedDatabase, func(schema, table string) int64 { return rowsOf(r, harness.SeedDatabase, schema, table) })
		if r := c.passes(snapshot, "level=start"); len(r.Databases) != 0 || len(r.Steps) != 2 {
			t.Errorf("%+v", r)
		}
		r = c.passes(snapshot, "databases=postgres")
		if len(r.Databases) != 1 {
			t.Errorf("%+v", r.Databases)
		}
		c.fails(snapshot, []string{`option "databases": the snapshot has no database "nosuch"`}, "databases=nosuch")
		src.Exec(t, "postgres", "CHECKPOINT") // it still runs, on its own files
	})
}

// checkCounts compares the rows of every table with what the server counts.
func checkCounts(t *testing.T, s *harness.Server, database string, rows func(schema, table string) int64) {
	t.Helper()
	tables := s.QueryText(t, database, `SELECT n.nspname, c.relname, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %I.%I', n.nspname, c.relname), false, true, '')))[1]
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_|^information_schema$' AND relispopulated`)
	if tables == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(tables), "\n") {
		fields := strings.Split(line, "|")
		if len(fields) != 3 {
			continue // names with odd characters
		}
		want, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			continue
		}
		if got := rows(fields[0], fields[1]); got != want {
			t.Errorf("%s: %s.%s has %d rows, the report says %d", database, fields[0], fields[1], want, got)
		}
	}
}

// What is wrong with a physical snapshot is found and named.
func TestCheckPhysicalFinds(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "every version reports these alike")
	src := harness.Start(t, harness.Fresh(), harness.Conf("autovacuum = off"))
	src.Exec(t, "postgres", "CREATE TABLE good AS SELECT generate_series(1, 1000) AS a")
	for _, name := range []string{"broken", "worse"} {
		src.Exec(t, "postgres", "CREATE TABLE "+name+" AS SELECT generate_series(1, 1000) AS a")
	}
	src.Exec(t, "postgres", "CREATE TABLE indexed AS SELECT 1 AS a; CREATE INDEX the_index ON indexed (a); CHECKPOINT")
	index := filepath.Join(src.DataDir, src.QueryText(t, "postgres", "SELECT pg_relation_filepath('the_index')"))
	before, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	src.Exec(t, "postgres", "INSERT INTO indexed SELECT generate_series(2, 100); CHECKPOINT")
	p := physical(t, src)
	c := newProof(t, p, src)

	t.Run("index", func(t *testing.T) {
		after, err := os.ReadFile(index)
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, index, 0, before)
		snapshot := p.MustBackup("@phys")
		c.passes(snapshot) // no row of the table is wrong
		c.fails(snapshot, []string{"pg_amcheck found", "the_index", "lacks matching index tuple"}, "level=amcheck")
		overwrite(t, index, 0, after)
	})
	t.Run("page header", func(t *testing.T) {
		for _, name := range []string{"broken", "worse"} {
			file := filepath.Join(src.DataDir, src.QueryText(t, "postgres", "SELECT pg_relation_filepath('"+name+"')"))
			overwrite(t, file, 8192+12, []byte{0xff, 0xff, 0x01, 0x02})
		}
		snapshot := p.MustBackup("@phys")
		r := c.fails(snapshot, []string{"invalid page in block 1", "public.broken in database \"postgres\" cannot be read", "public.worse in"})
		if got := rowsOf(r, "postgres", "public", "good"); got != 1000 {
			t.Errorf("good: %d rows", got)
		}
		c.passes(snapshot, "level=start")
		for _, name := range []string{"broken", "worse"} {
			src.Exec(t, "postgres", "TRUNCATE "+name)
		}
	})
	// A server takes each for a smaller table, or never looks there.
	t.Run("files", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE TABLE shrunk AS SELECT generate_series(1, 10000) AS a; ALTER TABLE shrunk ADD PRIMARY KEY (a); CHECKPOINT")
		file := func(name string) string {
			return filepath.Join(src.DataDir, src.QueryText(t, "postgres", "SELECT pg_relation_filepath('"+name+"')"))
		}
		second := file("good") + ".1"
		must(t, errors.Join(os.Truncate(file("shrunk"), 8192), os.Remove(index), os.WriteFile(second, make([]byte, 8192), 0o600)))
		if os.Getuid() == 0 {
			must(t, os.Chown(second, harness.ServerUID(t), -1))
		}
		snapshot := p.MustBackup("@phys")
		r := c.fails(snapshot, []string{"public.the_index is missing", "of public.good is missing or not full, and there is more behind it"})
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "public.shrunk (1 in place of 45)") {
			t.Errorf("%q", r.Warnings)
		}
		c.fails(snapshot, []string{"public.shrunk cannot be read through its index"}, "level=amcheck")
	})
}

// overwrite writes into a file of a server that runs.
func overwrite(t *testing.T, file string, offset int64, text []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(text, offset)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// What is missing on this machine, or in the snapshot, is named.
func TestCheckPhysicalMissing(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "every version is checked alike")
	src := harness.Start(t, harness.Fresh())
	p := physical(t, src)
	c := newProof(t, p, src)

	t.Run("libraries", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(src.DataDir, "postgresql.conf"))
		if err != nil {
			t.Fatal(err)
		}
		src.WriteFile(t, "postgresql.conf", string(text)+"shared_preload_libraries = 'pgaudit, auto_explain, $libdir/nosuch'\npgaudit.log = 'all'\nmax_logical_replication_workers = 4\n")
		src.Exec(t, "postgres", "CREATE DATABASE locked")
		src.Exec(t, "postgres", "ALTER DATABASE locked SET session_preload_libraries = 'nosuch'")
		r := c.fails(p.MustBackup("@phys"), []string{`asks for "pgaudit"`, "postgresql-" + strconv.Itoa(src.Major) + "-pgaudit", `asks for "nosuch"`})
		if len(r.Problems) != 2 || *r.Configuration != "backup" || len(r.Databases) != 3 {
			t.Errorf("%q %+v", r.Problems, r)
		}
		src.WriteFile(t, "postgresql.conf", "include '/nonexistent/conf'\n")
		r = c.fails(p.MustBackup("@phys"), []string{"the backup's postgresql.conf cannot be used here", "/nonexistent/conf"})
		if len(r.Problems) != 1 || *r.Configuration != "generated" || len(r.Databases) == 0 {
			t.Errorf("%q %+v", r.Problems, r)
		}
	})
	t.Run("extension", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE EXTENSION citext; UPDATE pg_extension SET extname = 'postgis' WHERE extname = 'citext'")
		c.fails(p.MustBackup("@phys"), []string{"extensions that are not installed on this machine: postgis 1.", "-postgis-3"})
		src.Exec(t, "postgres", "UPDATE pg_extension SET extname = 'citext' WHERE extname = 'postgis'; DROP EXTENSION citext")
	})
	// As on Debian, where the configuration is elsewhere.
	for _, name := range []string{"postgresql.conf", "pg_hba.conf", "pg_ident.conf"} {
		if err := os.Remove(filepath.Join(src.DataDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The role with the number 10 need not be called postgres.
	src.Exec(t, "postgres", "UPDATE pg_authid SET rolname = 'boss' WHERE oid = 10; CREATE ROLE postgres SUPERUSER REPLICATION LOGIN PASSWORD "+harness.Literal(src.Password))
	snapshot := p.MustBackup("@phys")
	if r := c.passes(snapshot); *r.Configuration != "generated" {
		t.Errorf("%+v", r)
	}
	t.Run("snapshot", func(t *testing.T) { testCheckCopies(t, c, snapshot) })
	t.Run("owner", func(t *testing.T) {
		c := *c
		c.options = c.options[1:]
		// A wrong option is refused before there is anything to report.
		failed(t, p.MustFail(c.args(snapshot)...), `option "owner": a server of the user`, "a system user of its own")
	})
}

// testCheckCopies checks copies of a snapshot that lack something.
func testCheckCopies(t *testing.T, c *proof, snapshot string) {
	changes := []changed{
		{"no manifest", func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) }, "has no manifest.json", false},
		{"no file", func(dir string) error { return os.Remove(filepath.Join(dir, "base", "1", "1259")) }, `files of the backup are missing: "base/1/1259"`, false},
		{"no server", func(dir string) error { return os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("14\n"), 0o600) }, "postgresql-14", true},
		{"old", func(dir string) error { return os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("9.6\n"), 0o600) }, "needs version 13", true},
		{"other bytes", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "base", "1", "1259"), []byte("x"), 0o600)
		}, `"base/1/1259" has 1 bytes in place of`, false},
		{"something else", func(dir string) error { return os.WriteFile(filepath.Join(dir, "A"), nil, 0o600) }, "takes a whole snapshot of postgres+bin:// or postgres://", false},
		{"same", func(string) error { return nil }, "", false},
	}
	c.checkChanged(t, snapshot, changes[:harness.Count(3, len(changes))])
}

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// recreate and clean, which the destination may have for whole dumps, cost nothing
// when a part alone was asked for.
func TestPartAloneReplacesNothing(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "it is refused before a part is restored")
	s := newShop(t)
	dst, restore := s.destination(t)
	ok(t, restore(""))
	for _, part := range []string{"/1-pre-data.dump", "/2-data", "/2-data/others.dump", "/3-post-data.dump"} {
		for _, options := range [][]string{{"recreate=true"}, {"clean=true", "jobs=2"}, {"recreate=true", "database=first"}} {
			failed(t, restore(":/00001-first"+part, options...), "alone", "recreate=false")
		}
	}
	harness.CompareDatabase(t, s.server, dst, "first", "first")
	// Nor is a database made of the definitions alone.
	failed(t, restore(":/00001-first/1-pre-data.dump", "recreate=true", "database=new"), "alone")
	query(t, dst, "postgres", exists("new"), "0")
	// All of its files do replace it, however they were asked for.
	dst.Exec(t, "first", "DROP TABLE to_t; CREATE TABLE later (x int)")
	ok(t, restore(":/00001-first", "recreate=true"))
	harness.CompareDatabase(t, s.server, dst, "first", "first")
}

// Rows that come back do not take their sequences back with them; a whole restore
// gives them the values that they had.
func TestPartAloneKeepsSequences(t *testing.T) {
	t.Parallel()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	s.server.Exec(t, "first", `
		CREATE TABLE serials (x serial PRIMARY KEY, y int);
		CREATE TABLE identities (x int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, y int);
		CREATE TABLE downs (x int GENERATED ALWAYS AS IDENTITY (INCREMENT -1) PRIMARY KEY, y int);
		CREATE SEQUENCE "Free'; \ é"; CREATE SEQUENCE unused;
		INSERT INTO serials (y) SELECT g FROM generate_series(1, 1000) g;
		INSERT INTO identities (y) SELECT g FROM generate_series(1, 1000) g;
		INSERT INTO downs (y) SELECT g FROM generate_series(1, 1000) g;
		SELECT setval('"Free''; \ é"', 1000, false)`)
	s.plakar.SourceAdd("mypg", s.server.URL("first"), append(inParts, s.server.BinDirOption())...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	dst, restore := s.destination(t)
	ok(t, restore("", "jobs=2"))
	harness.CompareDatabase(t, s.server, dst, "first", "first")

	// It went on, and lost what was saved.
	const lose = `
		DELETE FROM serials WHERE y > 0; DELETE FROM identities WHERE y > 0; DELETE FROM downs WHERE y > 0;`
	dst.Exec(t, "first", lose+`
		INSERT INTO serials (y) SELECT -g FROM generate_series(1, 1000) g;
		INSERT INTO identities (y) SELECT -g FROM generate_series(1, 1000) g;
		INSERT INTO downs (y) SELECT -g FROM generate_series(1, 1000) g;
		ALTER SEQUENCE "Free'; \ é" RESTART WITH 3000; ALTER SEQUENCE unused RESTART WITH 7`)
	const now = `SELECT concat_ws(' ', (SELECT last_value FROM serials_x_seq), (SELECT last_value FROM identities_x_seq),
		(SELECT last_value FROM downs_x_seq), (SELECT (last_value, is_called) FROM "Free'; \ é"), (SELECT (last_value, is_called) FROM unused))`
	for _, jobs := range []string{"jobs=1", "jobs=2"} {
		for _, part := range []string{"/public.serials.dump", "/public.identities.dump", "/public.downs.dump", "/others.dump"} {
			ok(t, restore(":/00001-first/2-data"+part, jobs))
		}
		query(t, dst, "first", now, "2000 2000 -2000 (3000,f) (7,f)")
		query(t, dst, "first", "SELECT (SELECT count(*) FROM serials) + (SELECT count(*) FROM identities) + (SELECT count(*) FROM downs)", "6000")
		dst.Exec(t, "first", lose)
	}
	ok(t, restore(":/00001-first/2-data", "database=first"))
	query(t, dst, "first", now, "2000 2000 -2000 (3000,f) (7,f)")

	// They are set where they are behind: into what was made anew, or set back.
	dst.Exec(t, "first", lose+`
		DELETE FROM serials; ALTER SEQUENCE serials_x_seq RESTART; ALTER SEQUENCE downs_x_seq RESTART;
		SELECT setval('identities_x_seq', 1000, false); SELECT setval('"Free''; \ é"', 999, true); SELECT setval('unused', 1, true)`)
	ok(t, restore(":/00001-first/2-data"))
	query(t, dst, "first", now, "1000 1000 -1000 (1000,f) (1,t)")
	dst.Exec(t, "first", "INSERT INTO serials (y) VALUES (0)")

	// The dump's names are in the encoding of the database that it was made of.
	dst.Exec(t, "postgres", "CREATE DATABASE other ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
	for _, part := range []string{"/1-pre-data.dump", "/2-data", "/3-post-data.dump"} {
		ok(t, restore(":/00001-first"+part, "database=other"))
	}
	query(t, dst, "other", "SELECT nextval(quote_ident(sequencename)::regclass) FROM pg_sequences WHERE sequencename LIKE 'Free%'", "1000")
	if err := s.plakar.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// What the options leave nothing of is no success.
func TestPartAloneOfNothing(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	s := newShop(t)
	dst, restore := s.destination(t)
	ok(t, restore(""))
	dst.Exec(t, "first", "DELETE FROM to_t; DELETE FROM t; DELETE FROM extra.u")
	const data = ":/00001-first/2-data"
	for _, jobs := range []string{"jobs=1", "jobs=2"} {
		failed(t, restore(data+"/public.t.dump", jobs, "tables=t,nosuch"), `"tables"`, `"nosuch"`)
		query(t, dst, "first", countT, "0")
		failed(t, restore(data, jobs, "schemas=nosuch"), `"schemas"`, `"nosuch"`)
		failed(t, restore(data, jobs, "schemas=extra", "tables=t"), `"tables"`, `"t"`)
		failed(t, restore(data+"/public.t.dump", jobs, "schema_only=true"), "nothing was restored", "schema_only")
		failed(t, restore(data, jobs, "schema_only=true"), "nothing was restored", "schema_only")
		failed(t, restore(":/00001-first/3-post-data.dump", jobs, "data_only=true"), "nothing was restored", "data_only")
		failed(t, restore(":/00001-first/3-post-data.dump", jobs, "schemas=nosuch"), `"schemas"`, `"nosuch"`)
		query(t, dst, "first", "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM extra.u)", "0")
		// One of several files has it.
		ok(t, restore(data, jobs, "tables=t"))
		query(t, dst, "first", "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM extra.u)", "1000")
		dst.Exec(t, "first", "DELETE FROM t")
	}
	// A name that all of the dump lacks is found out before anything is made.
	for _, options := range [][]string{{"tables=t,nosuch"}, {"schemas=nosuch,extra"}, {"tables=nosuch", "jobs=2"}} {
		failed(t, restore("", append(options, "database=new")...), `"nosuch"`)
		query(t, dst, "postgres", exists("new"), "0")
	}
	failed(t, restore("", "tables=t,nosuch", "data_only=true"), `"nosuch"`)
	query(t, dst, "first", countT, "0")
}

// A part whose end is missing fails the restore, which goes on with the others unless
// it is told to stop.
func TestPartDamaged(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	s := newShop(t)
	// No compression hides where it is cut, and the rows are more than a pipe holds.
	s.server.Exec(t, "first", "INSERT INTO t SELECT g, repeat(md5(g::text), 4) FROM generate_series(1001, 20000) g")
	s.snapshot = s.plakar.MustBackup("@mypg")
	dir := filepath.Join(t.TempDir(), "restored")
	ok(t, s.plakar.Restore(dir, s.snapshot))
	for _, c := range []struct {
		part   string
		length int64
		jobs   string
		others bool // go on
	}{
		{"1-pre-data.dump", 1000, "jobs=1", false},
		{"2-data/public.t.dump", 1 << 20, "jobs=1", true},
		{"2-data/public.t.dump", 1 << 20, "jobs=2", true},
		{"2-data/public.t.dump", 3, "jobs=2", true},
		{"2-data/others.dump", 1000, "jobs=1", true},
		{"3-post-data.dump", 1000, "jobs=2", true},
	} {
		copied := damage(t, dir, c.part, c.length)
		broken := s.plakar.MustBackup(copied) + ":" + copied
		dst, _ := s.destination(t)
		failed(t, s.plakar.Restore("@dst", broken, "-o", c.jobs), filepath.Base(c.part))
		if c.others {
			query(t, dst, "first", "SELECT x FROM extra.u", "7")
		} else {
			query(t, dst, "postgres", exists("first"), "0")
		}
		// What is damaged costs nothing that is there.
		dst.Exec(t, "postgres", "DROP DATABASE IF EXISTS first")
		dst.Exec(t, "postgres", "CREATE DATABASE first")
		dst.Exec(t, "first", "CREATE TABLE mine (x int)")
		failed(t, s.plakar.Restore("@dst", broken, "-o", c.jobs, "-o", "exit_on_error=true", "-o", "recreate=true"), filepath.Base(c.part))
		query(t, dst, "first", "SELECT to_regclass('mine') IS NULL", "f")
	}
	if err := s.plakar.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// damage makes dir a copy in which a part ends after length bytes.
func damage(t *testing.T, dir, part string, length int64) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(copied, "00001-first", filepath.FromSlash(part))
	if info, err := os.Stat(file); err != nil || info.Size() <= length {
		t.Fatal(info, err)
	}
	if err := os.Truncate(file, length); err != nil {
		t.Fatal(err)
	}
	return copied
}

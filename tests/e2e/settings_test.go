package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// settingsCase is what the roles, databases and configuration of a source and a target
// have for an application's sake.
type settingsCase struct {
	conf     []string // ALTER SYSTEM SET, on both servers
	src, dst string   // SQL in database postgres
	user     string   // "" for the superuser
}

var settingsCases = map[string]settingsCase{
	"frozen": {
		src: `ALTER DATABASE shop SET default_transaction_read_only = on`,
		dst: `ALTER DATABASE postgres SET default_transaction_read_only = on; ALTER DATABASE template1 SET default_transaction_read_only = on`,
	},
	"role": {
		src: roleSettings + `; ALTER ROLE postgres SET zero_damaged_pages = on; ALTER ROLE postgres SET ignore_checksum_failure = on;
			ALTER ROLE postgres SET gin_fuzzy_search_limit = 1`,
		dst: roleSettings + `; ALTER ROLE postgres SET session_replication_role = replica`,
	},
	"database": {
		src: `CREATE ROLE app; ALTER DATABASE shop SET role = 'app'; ALTER DATABASE postgres SET role = 'app';
			ALTER DATABASE shop SET client_encoding = 'LATIN1'; ALTER DATABASE shop SET lc_monetary = 'C.UTF-8'`,
		dst: `CREATE ROLE app; ALTER DATABASE postgres SET role = 'app'; ALTER DATABASE template1 SET role = 'app'`,
	},
	"strings": {
		conf: []string{"standard_conforming_strings = off", "backslash_quote = off", "quote_all_identifiers = on", "synchronize_seqscans = on"},
	},
	"formats": {
		conf: []string{
			"DateStyle = 'German, DMY'", "IntervalStyle = sql_standard", "extra_float_digits = -15", "bytea_output = escape", "xmlbinary = hex",
			"xmloption = document", "timezone = 'Asia/Kathmandu'", "timezone_abbreviations = 'India'",
		},
	},
	"server": {
		conf: []string{
			"statement_timeout = '5ms'", "idle_in_transaction_session_timeout = '300ms'", "idle_session_timeout = '300ms'", "search_path = 'nosuch'",
			"check_function_bodies = on", "exit_on_error = on", "default_transaction_isolation = serializable", "default_transaction_deferrable = on",
			"client_min_messages = error", "array_nulls = off", "default_transaction_read_only = on",
		},
	},
	// In postgresql.conf it would also count before the server reads what a client wants.
	"transaction_timeout": {src: impatient, dst: impatient, user: "saver"},
}

// since are the first versions with settings of some cases, which are tried on the
// newest version where the one of the run is older.
var since = map[string]int{"transaction_timeout": 17}

const impatient = `CREATE ROLE saver LOGIN SUPERUSER PASSWORD 'saver'; ALTER ROLE saver SET transaction_timeout = '250ms'`

const roleSettings = `ALTER ROLE postgres SET statement_timeout = '5ms'; ALTER ROLE postgres SET idle_in_transaction_session_timeout = '300ms';
	ALTER ROLE postgres SET idle_session_timeout = '300ms'; ALTER ROLE postgres SET lock_timeout = '1ms';
	ALTER ROLE postgres SET client_encoding = 'LATIN1'; ALTER ROLE postgres SET array_nulls = off;
	ALTER ROLE postgres SET transform_null_equals = on; ALTER ROLE postgres SET search_path = evil;
	ALTER ROLE postgres SET temp_file_limit = 0; ALTER ROLE postgres SET maintenance_work_mem = '1MB';
	ALTER ROLE postgres SET row_security = on; ALTER ROLE postgres SET DateStyle = 'SQL, DMY'`

// settingsRows are rows whose text depends on a session's settings.
const settingsRows = `
	CREATE TABLE t (id int PRIMARY KEY, d date, tz timestamptz, i interval, f float8, b bytea, m money, a text[], x xml, s text);
	INSERT INTO t VALUES
		(1, '2026-03-04', '2026-03-04 05:06:07+02', '-1 day +02:03:04', 0.1::float8 + 0.2, '\x00ff5c', 12.34, ARRAY['a', NULL, 'NULL'], '<a/>', 'euro € back\slash ''quote'''),
		(2, '0044-03-15 BC', 'infinity', '1 mon -2 days', 1e-300, '', -0.05, '{}', 'text only', E'tab\tnew\nline');
	CREATE TABLE sorted AS SELECT md5(g::text) AS x FROM generate_series(1, 40000) g; CREATE INDEX ON sorted (x);
	CREATE VIEW v AS SELECT id FROM t WHERE s = 'back\slash';
	CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.s := 'stamped'; RETURN NEW; END $$;
	CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp();
	CREATE TABLE child (id int REFERENCES t);
	INSERT INTO child VALUES (1)`

// What a role, a database or the configuration sets for an application's sake changes
// neither whether a backup and a restore work, nor what comes back.
func TestSettings(t *testing.T) {
	t.Parallel()
	for name, c := range settingsCases {
		t.Run(name, func(t *testing.T) {
			major, err := harness.DefaultMajor()
			if err != nil {
				t.Fatal(err)
			}
			if major < since[name] {
				major = slices.Max(harness.Majors())
			}
			src, dst := harness.Start(t, harness.Major(major)), harness.Start(t, harness.Major(major))
			src.Exec(t, "postgres", "CREATE DATABASE shop")
			src.Exec(t, "shop", settingsRows)
			c.apply(t, src, c.src)
			c.apply(t, dst, c.dst)
			p := harness.NewPlakar(t)
			from, to := src.URL(""), dst.URL("")
			if c.user != "" {
				from, to = src.URLFor(c.user, c.user, ""), dst.URLFor(c.user, c.user, "")
			}
			p.SourceAdd("src", from, src.BinDirOption())
			p.DestinationAdd("dst", to, dst.BinDirOption(), "no_globals=true")
			p.MustRun("source", "ping", "src")
			p.MustRun("destination", "ping", "dst")
			p.MustRestore("@dst", p.MustBackup("@src"))
			if want, got := settled(t, src), settled(t, dst); want != got || !strings.Contains(want, "12.34") {
				t.Errorf("want\n%s\ngot\n%s", want, got)
			}
		})
	}
}

// apply makes the settings of a server, and runs sql before they count.
func (c settingsCase) apply(t *testing.T, s *harness.Server, sql string) {
	t.Helper()
	conn := s.Connect(t, "postgres")
	for _, line := range c.conf {
		if _, err := conn.Exec(t.Context(), "ALTER SYSTEM SET "+line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), sql+"; SELECT pg_reload_conf()", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// Money is saved and restored without its format, which depends on the locale: 12.34
// became 1234.00 where the source has another one than the target.
func TestSettingsMoney(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", settingsRows)
	if err := src.TryExec("postgres", "SET lc_monetary = 'es_AR.UTF-8'"); err != nil {
		harness.Missing(t, "run tests/setup/locale.sh: %v", err)
	}
	src.Exec(t, "postgres", "ALTER ROLE postgres SET lc_monetary = 'es_AR.UTF-8'")
	p := harness.NewPlakar(t)
	p.SourceAdd("src", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	p.MustRestore("@dst", p.MustBackup("@src"))
	if want, got := settled(t, src), settled(t, dst); want != got || !strings.Contains(got, "12.34") {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
}

// allRoles is what ALTER ROLE ALL has set.
const allRoles = "SELECT string_agg(c, ' ' ORDER BY c) FROM pg_db_role_setting, unnest(setconfig) c WHERE setrole = 0 AND setdatabase = 0"

// What every role was given at the source, every role has, after all else was restored; where
// globals=missing leaves roles alone, or a library would keep everybody out, it is left out.
func TestSettingsOfAllRoles(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	src.Exec(t, "postgres", `ALTER ROLE ALL SET work_mem = '7MB'; ALTER ROLE ALL SET search_path = "$user", 'it''s "odd"', public;
		ALTER ROLE ALL SET app.note = 'a=b \ é'; ALTER ROLE ALL SET session_preload_libraries = 'auto_explain'; ALTER ROLE ALL SET default_transaction_read_only = on`)
	dst.Exec(t, "postgres", "ALTER ROLE ALL SET work_mem = '9MB'; ALTER ROLE ALL SET lock_timeout = '7s'")
	p := harness.NewPlakar(t)
	p.SourceAdd("src", src.URL("postgres"), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	snapshot := p.MustBackup("@src")
	for _, options := range [][]string{{"globals=missing"}, {"globals=none", "recreate=true"}} {
		ok(t, p.Restore("@dst", snapshot, flags(options)...))
		query(t, dst, "postgres", allRoles, "lock_timeout=7s work_mem=9MB")
	}

	var files = map[string]string{}
	for _, name := range []string{"00000-cluster.json", "00000-globals.sql", "00001-postgres.dump", "manifest.json"} {
		files[name] = string(p.Cat(snapshot, "/"+name))
	}
	files["00000-cluster.json"] = strings.Replace(files["00000-cluster.json"], "auto_explain", "nosuch", 1)
	failed(t, fromFiles(t, p, "@dst", files, "-o", "recreate=true"), "session_preload_libraries", "nosuch", "58P01", "no role could connect")
	want := strings.TrimSpace(src.QueryText(t, "postgres", allRoles))
	query(t, dst, "postgres", allRoles, "app.note=a=b \\ é default_transaction_read_only=on lock_timeout=7s search_path=\"$user\", \"it's \"\"odd\"\"\", public work_mem=7MB")
	ok(t, p.Restore("@dst", snapshot, "-o", "recreate=true"))
	query(t, dst, "postgres", allRoles, strings.Replace(want, "default_transaction_read_only=on", "default_transaction_read_only=on lock_timeout=7s", 1))
	query(t, dst, "postgres", countT, "1")
}

// A library that the target lacks, for the sessions of a database, costs no row: its setting
// comes last, and the error says what it means. That of the database that others are made
// through keeps none of them away.
func TestMissingPreloadLibraries(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	for _, db := range []string{"shop", "zoo"} {
		src.Exec(t, "postgres", "CREATE DATABASE "+db)
		src.Exec(t, db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	}
	src.Exec(t, "postgres", `ALTER ROLE postgres IN DATABASE zoo SET local_preload_libraries = 'nosuch_either';
		ALTER DATABASE shop SET session_preload_libraries = 'auto_explain', 'nosuch'; ALTER DATABASE shop SET work_mem = '7MB'; ALTER DATABASE postgres SET session_preload_libraries = 'nosuch'`)
	p := harness.NewPlakar(t)
	const without = "?options=-csession_preload_libraries%3D%20-clocal_preload_libraries%3D"
	dst := harness.Start(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	p.DestinationAdd("careful", dst.URL("")+without, dst.BinDirOption())
	snapshots := map[string]string{}
	for _, layout := range []string{"single", "tables"} {
		p.SourceAdd(layout, src.URL("")+without, "layout="+layout, "table_size=1B", src.BinDirOption())
		snapshots[layout] = p.MustBackup("@" + layout)
	}
	for n, c := range []struct{ to, layout string }{{"dst", "single"}, {"careful", "tables"}, {"careful", "single"}} {
		result := p.Restore("@"+c.to, snapshots[c.layout], "-o", "recreate=true", "-o", "jobs=2")
		if n == 0 {
			failed(t, result, `database "shop" load`, `database "zoo" load`, `database "postgres" load`, `"nosuch"`, "hint: a library that session_preload_libraries")
		} else {
			ok(t, result)
		}
		conn := dst.ConnectWith(t, "shop", "-c session_preload_libraries=")
		var got string
		err := conn.QueryRow(t.Context(), `SELECT string_agg(d.datname || ' ' || s.setrole::text || ' ' || c, '; ' ORDER BY d.datname, c) || (SELECT '; rows ' || count(*) FROM t)
			FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c`).Scan(&got)
		want := "postgres 0 session_preload_libraries=nosuch; shop 0 session_preload_libraries=auto_explain, nosuch; shop 0 work_mem=7MB; zoo 10 local_preload_libraries=nosuch_either; rows 1"
		if err = errors.Join(err, conn.Close(t.Context())); err != nil || got != want {
			t.Errorf("%s, %s: %q, want %q, %v", c.to, c.layout, got, want, err)
		}
	}
	failed(t, p.Run("destination", "ping", "dst"), "hint: a library that session_preload_libraries")
}

// settled is what the rows are in a session whose settings are known.
func settled(t *testing.T, s *harness.Server) string {
	t.Helper()
	const known = `SET role = none; SET search_path = public; SET standard_conforming_strings = on; SET client_encoding = 'UTF8';
		SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres; SET extra_float_digits = 3; SET bytea_output = hex; SET timezone = 'UTC';
		SET lc_monetary = 'C'; SET quote_all_identifiers = off; SET transaction_isolation = 'read committed'`
	conn := s.ConnectWith(t, "shop", "-c statement_timeout=0 -c idle_session_timeout=0 -c exit_on_error=off")
	defer func() { _ = conn.Close(t.Context()) }()
	results, err := conn.PgConn().Exec(t.Context(), known+"; SELECT t::text FROM t ORDER BY id; SELECT pg_get_viewdef('v'::regclass); SELECT count(*)::text FROM child; SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'stamp'").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			text.Write(row[0])
			text.WriteString("\n")
		}
	}
	return text.String()
}

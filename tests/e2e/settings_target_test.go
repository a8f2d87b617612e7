package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// hostile are settings that can end a restore, or change what it restores; WHOM is a role, a
// database or the system.
var hostile = []string{
	"statement_timeout = '5ms'", "idle_in_transaction_session_timeout = '300ms'", "idle_session_timeout = '300ms'", "lock_timeout = '1ms'",
	"default_transaction_read_only = on", "default_transaction_isolation = serializable", "default_transaction_deferrable = on", "exit_on_error = on",
	"row_security = on", "session_replication_role = replica", "temp_file_limit = 0", "maintenance_work_mem = '1MB'",
	"search_path = evil", "check_function_bodies = on", "default_tablespace = elsewhere", "default_table_access_method = nosuch",
	"DateStyle = 'German, DMY'", "IntervalStyle = sql_standard", "bytea_output = escape", "extra_float_digits = -15", "xmloption = document", "xmlbinary = hex",
	"array_nulls = off", "transform_null_equals = on", "standard_conforming_strings = off", "backslash_quote = off", "quote_all_identifiers = on",
	"lc_messages = 'es_AR.UTF-8'", "lc_monetary = 'es_AR.UTF-8'", "lc_numeric = 'es_AR.UTF-8'", "lc_time = 'es_AR.UTF-8'", "client_min_messages = error",
}

// hostileSince are those that came with a major version.
var hostileSince = map[int][]string{
	16: {"createrole_self_grant = 'set, inherit'", "icu_validation_level = error"},
	17: {"event_triggers = off", "transaction_timeout = '250ms'", "restrict_nonsystem_relation_kind = 'view, foreign-table'"},
}

// ofOne are settings that nobody gives to the whole server, which could not start any more, or nobody
// connect to it.
var ofOne = []string{"client_encoding = 'LATIN1'", "default_table_access_method", "transaction_timeout"}

// beHostile gives the settings to whom.
func beHostile(t *testing.T, s *harness.Server, whom string) {
	t.Helper()
	list := append([]string{ofOne[0]}, hostile...)
	for since, more := range hostileSince {
		if s.Major >= since {
			list = append(list, more...)
		}
	}
	conn := s.ConnectWith(t, "postgres", "-c default_transaction_read_only=off -c exit_on_error=off -c statement_timeout=0 -c lock_timeout=0")
	defer func() { _ = conn.Close(t.Context()) }()
	for _, setting := range list {
		name, _, _ := strings.Cut(setting, " ")
		if whom == "SYSTEM" && strings.Contains(strings.Join(ofOne, ","), name) {
			continue
		}
		if _, err := conn.Exec(t.Context(), "ALTER "+whom+" SET "+setting); err != nil {
			t.Fatalf("%s: %v", setting, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
}

// Whatever the target gives its sessions, on every way to restore: rows and tables are where
// they belong, and what they were.
func TestSettingsOfTarget(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", settingsRows+`;
		CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM public.t'; CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM sorted`)
	want := settled(t, src)
	p := harness.NewPlakar(t)
	p.SourceAdd("src", src.URL("shop"), src.BinDirOption())
	snapshots := map[string]string{"single": p.MustBackup("@src"), "tables": p.MustBackup("@src", "-o", "layout=tables", "-o", "table_size=1B")}
	for _, whom := range []string{"ROLE postgres", "DATABASE", "SYSTEM"} {
		t.Run(whom, func(t *testing.T) {
			t.Parallel()
			dst := harness.Start(t)
			dst.Exec(t, "postgres", "CREATE TABLESPACE elsewhere LOCATION "+harness.Literal(dst.Dir(t, "elsewhere")))
			dst.Exec(t, "postgres", "CREATE DATABASE shop")
			if whom == "DATABASE" {
				for _, db := range []string{"postgres", "template1", "shop"} {
					beHostile(t, dst, "DATABASE "+db)
				}
			} else {
				beHostile(t, dst, whom)
			}
			name := "dst " + whom
			p.DestinationAdd(name, dst.URL(""), dst.BinDirOption())
			for n, c := range []struct{ layout, options string }{
				{"single", "globals=missing"}, {"single", "clean=true jobs=2"}, {"tables", "recreate=true jobs=2"}, {"single", "recreate=true force=true"},
			} {
				ok(t, p.Restore("@"+name, snapshots[c.layout], flags(strings.Fields(c.options))...))
				if got := settled(t, dst); got != want {
					t.Errorf("%d, %s: want\n%s\ngot\n%s", n, c.options, want, got)
				}
				conn := dst.ConnectWith(t, "shop", "-c search_path=public -c statement_timeout=0")
				var where string
				if err := conn.QueryRow(t.Context(), "SELECT count(*) || ' ' || (SELECT count(*) FROM sorted) || ' ' || (SELECT count FROM counted) FROM pg_class WHERE reltablespace <> 0 AND relnamespace = 'public'::regnamespace").Scan(&where); err != nil || where != "0 40000 40000" {
					t.Errorf("%d, %s: %q, %v", n, c.options, where, err)
				}
				_ = conn.Close(t.Context())
			}
		})
	}
}

// What only superusers may set is set by a role that was granted that, and by no other: then a warning
// names what may end the restore.
func TestParameterGrants(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	const rows = "CREATE SCHEMA a; CREATE TABLE a.sorted AS SELECT md5(g::text) AS x FROM generate_series(1, 40000) g; CREATE INDEX ON a.sorted (x)"
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", rows)
	for _, s := range []*harness.Server{src, dst} {
		s.Exec(t, "postgres", `CREATE ROLE saver LOGIN CREATEDB PASSWORD 'saver'; GRANT pg_read_all_data TO saver;
			ALTER ROLE saver SET temp_file_limit = 0; ALTER ROLE saver SET maintenance_work_mem = '1MB'; ALTER ROLE saver SET ignore_checksum_failure = on; CREATE ROLE tuners; GRANT tuners TO saver`)
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("src", src.URLFor("saver", "saver", "shop"), src.BinDirOption())
	p.DestinationAdd("dst", dst.URLFor("saver", "saver", ""), dst.BinDirOption(), "globals=none", "no_owner=true", "no_privileges=true")
	const warning = "settings that can end a backup or a restore"
	both := func() (snapshot string, backup, restore harness.Result) {
		snapshot, backup = p.Backup("@src")
		ok(t, backup)
		return snapshot, backup, p.Restore("@dst", snapshot)
	}
	_, backup, restore := both()
	failed(t, restore, "temporary file size exceeds")
	for _, r := range []harness.Result{backup, restore} {
		if !strings.Contains(r.Output(), warning) || !strings.Contains(r.Output(), "ignore_checksum_failure=on") || !strings.Contains(r.Output(), "temp_file_limit=0") {
			t.Errorf("no warning:\n%s", r.Output())
		}
	}
	for _, s := range []*harness.Server{src, dst} {
		s.Exec(t, "postgres", "GRANT SET ON PARAMETER temp_file_limit TO tuners; GRANT SET ON PARAMETER ignore_checksum_failure TO PUBLIC")
	}
	dst.Exec(t, "postgres", "DROP DATABASE shop")
	snapshot, backup, restore := both()
	ok(t, restore)
	query(t, dst, "shop", "SELECT count(*) FROM pg_indexes WHERE schemaname = 'a'", "1")
	if strings.Contains(backup.Output()+restore.Output(), warning) {
		t.Errorf("a warning:\n%s\n%s", backup.Output(), restore.Output())
	}
	pinned := validateCluster(t, p.Cat(snapshot, "/00000-cluster.json")).PinnedSettings
	if pinned["ignore_checksum_failure"] != "off" || pinned["temp_file_limit"] != "-1" || pinned["zero_damaged_pages"] != "" {
		t.Errorf("pinned: %v", pinned)
	}
	// Less than the right to set it in a session does not count.
	dst.Exec(t, "postgres", "REVOKE SET ON PARAMETER temp_file_limit FROM tuners; GRANT ALTER SYSTEM ON PARAMETER temp_file_limit TO tuners")
	dst.Exec(t, "postgres", "DROP DATABASE shop")
	failed(t, p.Restore("@dst", snapshot), "temporary file size exceeds")
}

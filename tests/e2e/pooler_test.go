package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// spoiled asks a session for what a backup or a restore could have left in it.
const spoiled = `SELECT coalesce(string_agg(name || '=' || setting, ' ' ORDER BY name), 'nothing') FROM pg_settings
	WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')`

// A pooler that gives each transaction another session is refused, by ping as well, and
// nothing of ours is left on the sessions that the application gets.
func TestPoolerInTransactionMode(t *testing.T) {
	t.Parallel()
	server := harness.Start(t)
	harness.SeedNames(t, server, "shop")
	for _, mode := range []string{"transaction", "statement"} {
		for _, takesOptions := range []string{"", "ignore_startup_parameters = options"} {
			// One session for all clients: the application gets the one that we had.
			pooler := harness.StartPgBouncer(t, server, mode, takesOptions, "max_user_connections = 1", "max_db_connections = 1", "server_lifetime = 86400")
			p := harness.NewPlakar(t)
			p.SourceAdd("src", pooler.URL(""), server.BinDirOption())
			p.DestinationAdd("dst", pooler.URL(""), server.BinDirOption(), "recreate=true")
			before := throughPooler(t, pooler)
			if before[1] != "nothing" {
				t.Fatalf("the application's session has %s before", before[1])
			}
			const want = "pool_mode=session"
			_, result := p.Backup("@src")
			failed(t, result, want)
			failed(t, p.Run("source", "ping", "src"), want)
			failed(t, p.Run("destination", "ping", "dst"), want)
			after := throughPooler(t, pooler)
			// In statement mode the pooler ends the session that refuses a transaction.
			if mode == "statement" {
				before[0], after[0] = "", ""
			}
			if after != before {
				t.Errorf("%s: the application's session had %q and has %q", mode, before, after)
			}
		}
	}
}

// throughPooler is the server's process behind a pooler and what is set in its session.
func throughPooler(t *testing.T, pooler *harness.PgBouncer) (found [2]string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(pooler.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()::text, ("+spoiled+")").Scan(&found[0], &found[1]); err != nil {
		t.Fatal(err)
	}
	return found
}

// A pooler in session mode is as good as a server, but for what it keeps from the
// sessions of the client tools.
func TestPoolerInSessionMode(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", settingsRows)
	for name, option := range map[string]string{"refused": "", "dropped": "ignore_startup_parameters = options"} {
		dst := harness.Start(t)
		// All tools that mind set these by themselves, and we do.
		const harmless = "ALTER ROLE postgres SET lock_timeout = '1ms'; ALTER ROLE postgres SET search_path = evil; ALTER ROLE postgres SET bytea_output = escape"
		src.Exec(t, "postgres", harmless)
		dst.Exec(t, "postgres", harmless)
		p := harness.NewPlakar(t)
		p.SourceAdd("src", harness.StartPgBouncer(t, src, "session", option).URL(""), src.BinDirOption())
		p.DestinationAdd("dst", harness.StartPgBouncer(t, dst, "session", option).URL(""), dst.BinDirOption(), "no_globals=true")
		p.MustRun("source", "ping", "src")
		p.MustRun("destination", "ping", "dst")
		p.MustRestore("@dst", p.MustBackup("@src"))
		if want, got := settled(t, src), settled(t, dst); want != got {
			t.Errorf("%s: want\n%s\ngot\n%s", name, want, got)
		}
		// What the tools do not set by themselves, and the pooler does not pass on. It has
		// no session from before.
		src.Exec(t, "postgres", "ALTER ROLE postgres SET gin_fuzzy_search_limit = 7; ALTER ROLE postgres SET statement_timeout = '5s'")
		p.SourceAdd("limited", harness.StartPgBouncer(t, src, "session", option).URL(""), src.BinDirOption())
		_, result := p.Backup("@limited")
		failed(t, result, "gin_fuzzy_search_limit=7")
		failed(t, result, "statement_timeout=5s")
		failed(t, p.Run("source", "ping", "limited"), "gin_fuzzy_search_limit=7")
		src.Exec(t, "postgres", "ALTER ROLE postgres RESET ALL")
	}
}

// What a database has for its application's sake reaches no client tool through a pooler: of a
// restored one it comes last, and where it is there already, it is refused.
func TestPoolerSettingsOfDatabases(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	const sets = "ALTER DATABASE shop SET array_nulls = off; ALTER DATABASE shop SET default_transaction_read_only = on"
	src.Exec(t, "postgres", "CREATE ROLE app")
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", settingsRows)
	src.Exec(t, "postgres", sets)
	dst.Exec(t, "postgres", "CREATE ROLE app")
	p := harness.NewPlakar(t)
	p.SourceAdd("direct", src.URL("shop"), src.BinDirOption())
	p.DestinationAdd("dst", harness.StartPgBouncer(t, dst, "session").URL(""), dst.BinDirOption(), "no_globals=true")
	for _, layout := range []string{"single", "tables"} {
		snapshot := p.MustBackup("@direct", "-o", "layout="+layout)
		p.MustRestore("@dst", snapshot)
		if want, got := settled(t, src), settled(t, dst); want != got {
			t.Errorf("layout=%s: want\n%s\ngot\n%s", layout, want, got)
		}
		if got := dst.QueryText(t, "postgres", "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig)"); got != "2" {
			t.Errorf("layout=%s: %s settings", layout, got)
		}
		// It is there now with its settings.
		failed(t, p.Restore("@dst", snapshot, "-o", "clean=true"), "array_nulls=off")
		dst.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
		dst.Exec(t, "postgres", "DROP DATABASE shop")
	}
	p.SourceAdd("src", harness.StartPgBouncer(t, src, "session").URL(""), src.BinDirOption())
	for _, set := range []string{"array_nulls=off", "role=app"} {
		_, result := p.Backup("@src")
		failed(t, result, set)
		src.Exec(t, "postgres", "ALTER DATABASE shop RESET ALL; ALTER DATABASE shop SET role = 'app'")
	}
}

// A pooler keeps sessions in the old database and in the new one; force=true ends both.
func TestPoolerRecreate(t *testing.T) {
	t.Parallel()
	server := harness.Start(t)
	server.Exec(t, "postgres", "CREATE DATABASE shop")
	server.Exec(t, "shop", settingsRows)
	server.Exec(t, "postgres", "ALTER DATABASE shop SET array_nulls = off")
	want := settled(t, server)
	p := harness.NewPlakar(t)
	p.SourceAdd("direct", server.URL("shop"), server.BinDirOption())
	p.DestinationAdd("pooled", harness.StartPgBouncer(t, server, "session").URL(""), server.BinDirOption(), "no_globals=true")
	snapshot := p.MustBackup("@direct")
	for _, how := range []string{"true", "first"} {
		ok(t, p.Restore("@pooled", snapshot, "-o", "recreate="+how, "-o", "force=true"))
		if got := settled(t, server); got != want {
			t.Errorf("recreate=%s: want\n%s\ngot\n%s", how, want, got)
		}
		if got := server.QueryText(t, "postgres", "SELECT datname FROM pg_database WHERE datname ~ 'plakar|shop'"); got != "shop" {
			t.Errorf("recreate=%s: there are %s", how, got)
		}
		if got := server.QueryText(t, "postgres", "SELECT unnest(setconfig) FROM pg_db_role_setting"); got != "array_nulls=off" {
			t.Errorf("recreate=%s: it has the settings %s", how, got)
		}
	}
}

// Through a pooler money is saved in the server's own format. The snapshot says so, and a restore which
// reads it otherwise warns; one that reads it so does not.
func TestPoolerMoney(t *testing.T) {
	t.Parallel()
	const argentine = "es_AR.UTF-8"
	src, dst := harness.Start(t), harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", settingsRows)
	if err := src.TryExec("postgres", "SET lc_monetary = '"+argentine+"'"); err != nil {
		harness.Missing(t, "run tests/setup/locale.sh: %v", err)
	}
	const sets = "ALTER ROLE postgres SET lc_monetary = '" + argentine + "'"
	src.Exec(t, "postgres", sets)
	p := harness.NewPlakar(t)
	p.SourceAdd("pooled", harness.StartPgBouncer(t, src, "session").URL("shop"), src.BinDirOption())
	p.SourceAdd("direct", src.URL("shop"), src.BinDirOption())
	p.DestinationAdd("direct", dst.URL(""), dst.BinDirOption(), "no_globals=true")
	pooled, direct := p.MustBackup("@pooled"), p.MustBackup("@direct")
	cluster := validateCluster(t, p.Cat(pooled, "/00000-cluster.json"))
	if d := cluster.Databases[0]; d.LCMonetary == nil || *d.LCMonetary != argentine || cluster.PinnedSettings["lc_monetary"] != "" {
		t.Errorf("the snapshot says that money was saved with %v: %v", d.LCMonetary, cluster.PinnedSettings)
	}
	restore := func(to, snapshot, warning string) {
		t.Helper()
		r := p.MustRestore(to, snapshot)
		if got := strings.Contains(r.Output(), "columns of type money"); got != (warning != "") || !strings.Contains(r.Output(), warning) {
			t.Errorf("no warning with %q, or a needless one:\n%s", warning, r.Output())
		}
		if want, got := settled(t, src), settled(t, dst); warning == "" && want != got {
			t.Errorf("want\n%s\ngot\n%s", want, got)
		}
		dst.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
		dst.Exec(t, "postgres", "DROP DATABASE shop")
	}
	restore("@direct", direct, "")
	restore("@direct", pooled, "written with lc_monetary="+argentine+": they are read with lc_monetary=C")
	p.DestinationAdd("argentine", dst.URL("")+"?options=-c%20lc_monetary%3D"+argentine, dst.BinDirOption(), "no_globals=true")
	restore("@argentine", pooled, "")
	dst.Exec(t, "postgres", sets)
	p.DestinationAdd("pooled", harness.StartPgBouncer(t, dst, "session").URL(""), dst.BinDirOption(), "no_globals=true")
	restore("@pooled", pooled, "")
	restore("@pooled", direct, "written with lc_monetary=C: they are read with lc_monetary="+argentine)
}

// A pool in transaction mode is found out when all its sessions are in use, and when they take
// turns. One in session mode passes with a single session.
func TestPoolerInUse(t *testing.T) {
	t.Parallel()
	server := harness.Start(t)
	for name, c := range map[string]struct {
		lines   []string
		clients int    // of the application, at the same time
		query   string // that each runs
		lasting bool   // again and again
	}{
		"busy":  {[]string{"pool_mode = transaction", "max_db_connections = 1"}, 2, "SELECT pg_sleep(4)", true},
		"turns": {[]string{"pool_mode = transaction", "max_db_connections = 2", "server_round_robin = 1"}, 2, "SELECT pg_sleep(1)", false},
		"own":   {[]string{"pool_mode = session", "max_db_connections = 1"}, 1, "SELECT 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			pooler := harness.StartPgBouncer(t, server, "session", append(c.lines, "ignore_startup_parameters = options")...)
			p := harness.NewPlakar(t)
			p.SourceAdd("src", pooler.URL(""), server.BinDirOption())
			var clients sync.WaitGroup
			defer clients.Wait()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			for range c.clients {
				clients.Go(func() { application(ctx, t, pooler.URL("postgres"), c.query, c.lasting) })
			}
			if !c.lasting {
				clients.Wait()
			}
			result := p.Run("source", "ping", "src")
			if name == "own" {
				ok(t, result)
				return
			}
			failed(t, result, "pool_mode=session")
		})
	}
}

// application runs a query through a pooler, lasting until ctx ends.
func application(ctx context.Context, t *testing.T, url, query string, lasting bool) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Error(err)
		return
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for again := true; again && ctx.Err() == nil; again = lasting {
		if _, err := conn.Exec(ctx, query); err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

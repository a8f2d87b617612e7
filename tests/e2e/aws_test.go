package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
	"github.com/PlakarKorp/integration-postgresql/tests/rds"
)

// awsServer starts a server behind a pretended RDS endpoint, and a plakar whose
// environment has the AWS key that is good there and no other AWS settings.
func awsServer(t *testing.T) (*harness.Server, *rds.Proxy, *harness.Plakar) {
	t.Helper()
	pg := harness.Start(t, harness.TLS("localhost", "db.example.com"))
	proxy := rds.Start(t, pg)
	p := harness.NewPlakar(t)
	p.Env = keyEnv(proxy.Policy().Key)
	return pg, proxy, p
}

// keyEnv gives a key by environment variables.
func keyEnv(key rds.Key) []string {
	return append(noKeyEnv(), "AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_SESSION_TOKEN="+key.SessionToken)
}

// noKeyEnv keeps the SDK from asking the machine that runs the test.
func noKeyEnv() []string { return []string{"AWS_EC2_METADATA_DISABLED=true"} }

// checkNoLeak fails the test when text holds a token or a part of the key.
func checkNoLeak(t *testing.T, key rds.Key, what, text string) {
	t.Helper()
	for _, secret := range []string{key.Secret, key.SessionToken, "X-Amz-"} {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("%s holds a secret:\n%s", what, text)
		}
	}
}

// watchArguments looks at the arguments of all processes whenever one of them is
// let in.
func watchArguments(t *testing.T, proxy *rds.Proxy) {
	t.Helper()
	key := proxy.Policy().Key
	proxy.OnAdmitted(func() {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			arguments, _ := os.ReadFile(file)
			checkNoLeak(t, key, file, string(arguments))
		}
	})
}

// A snapshot is the same whichever protocol made it, and either restores it.
func TestAWSRoundTrip(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	src, proxy, p := awsServer(t)
	harness.SeedHard(t, src)
	src.Exec(t, "postgres", "CREATE DATABASE rdsadmin")
	watchArguments(t, proxy)
	key := proxy.Policy().Key
	p.SourceAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t))
	p.SourceAdd("plain", src.URL(""), "exclude_databases=rdsadmin", tools(t))
	backup := func(source string) (string, map[string]string) {
		t.Helper()
		snapshot, result := p.Backup(source)
		if result.ExitCode != 0 {
			t.Fatalf("backup of %s: exit status %d\n%s", source, result.ExitCode, result.Output())
		}
		checkNoLeak(t, key, "the output", result.Output())
		files := make(map[string]string)
		for _, path := range p.Ls(snapshot) {
			content := p.Cat(snapshot, path)
			checkNoLeak(t, key, path, string(content))
			files[path] = string(content)
		}
		return snapshot, files
	}
	fromAWS, awsFiles := backup("@aws")
	fromPlain, plainFiles := backup("@plain")
	for path := range awsFiles {
		if _, ok := plainFiles[path]; !ok || len(awsFiles) != len(plainFiles) {
			t.Errorf("%s: %d and %d files", path, len(awsFiles), len(plainFiles))
		}
	}
	if !strings.Contains(awsFiles["/manifest.json"], `"connector": "postgres+aws"`) {
		t.Errorf("the manifest does not name the connector:\n%.500s", awsFiles["/manifest.json"])
	}
	for path := range awsFiles {
		if strings.HasSuffix(path, "-rdsadmin.dump") {
			t.Errorf("%s is in the snapshot", path)
		}
	}
	src.Exec(t, "postgres", "DROP DATABASE rdsadmin")

	plain := harness.Start(t)
	p.DestinationAdd("plain", plain.URL(""), "recreate=true", tools(t))
	p.MustRestore("@plain", fromAWS)
	harness.CompareClusters(t, src, plain)

	dst := harness.Start(t, harness.TLS())
	to := rds.Start(t, dst)
	policy := proxy.Policy()
	policy.Endpoint = to.Policy().Endpoint
	to.SetPolicy(policy)
	watchArguments(t, to)
	p.DestinationAdd("aws", to.URL("postgres", ""), "region=eu-west-3", tools(t), "recreate=true", "jobs=2")
	checkNoLeak(t, key, "the output", p.MustRestore("@aws", fromPlain).Output())
	harness.CompareClusters(t, src, dst)
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// An empty list in place of the default one: rdsadmin is not left out.
func TestAWSExcludeNothing(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the option is decoded before the server is reached")
	pg, proxy, p := awsServer(t)
	pg.Exec(t, "postgres", "CREATE DATABASE rdsadmin")
	p.SourceAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t), "exclude_databases=")
	paths := p.Ls(p.MustBackup("@aws"))
	if !slices.Contains(paths, "/00002-rdsadmin.dump") {
		t.Errorf("no dump of rdsadmin: %q", paths)
	}
}

// A backup goes on for longer than a token is good.
func TestAWSLongBackup(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "a token's life is no matter of the server")
	pg, proxy, p := awsServer(t)
	for _, db := range []string{"a", "b", "c"} {
		pg.Exec(t, "postgres", "CREATE DATABASE "+db)
	}
	policy := proxy.Policy()
	policy.Life = 10 * time.Second // of some 14 s
	proxy.SetPolicy(policy)
	proxy.OnAdmitted(func() { time.Sleep(time.Second) })
	p.SourceAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t), "jobs=1")
	paths := p.Ls(p.MustBackup("@aws"))
	if len(paths) != 8 {
		t.Errorf("%q", paths)
	}
	logins := proxy.Logins()
	if took := logins[len(logins)-1].Time.Sub(logins[0].Time); took < policy.Life {
		t.Errorf("the backup took %s, which proves nothing", took)
	}
}

// A restore with several jobs also does: pg_restore's workers would make it connect
// again at its end.
func TestAWSLongRestore(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	pg, proxy, p := awsServer(t)
	pg.Exec(t, "postgres", "CREATE DATABASE slow")
	pg.Exec(t, "slow", `
		SET test.hurry = 'yes';
		CREATE TABLE t AS SELECT i, repeat(md5(i::text), 100) AS filler FROM generate_series(1, 8000) AS i;
		CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
			$$ BEGIN IF i = 1 AND current_setting('test.hurry', true) IS NULL THEN PERFORM pg_sleep(11); END IF; RETURN i; END $$;
		CREATE INDEX ON t (slow(i))`)
	p.SourceAdd("aws", proxy.URL("postgres", "slow"), "region=eu-west-3", tools(t))
	snapshot := p.MustBackup("@aws")
	pg.Exec(t, "postgres", "DROP DATABASE slow")
	policy := proxy.Policy()
	policy.Life = 8 * time.Second
	proxy.SetPolicy(policy)
	p.DestinationAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t), "jobs=3")
	p.MustRestore("@aws", snapshot)
	if rows := pg.QueryText(t, "slow", "SELECT count(*) FROM t"); rows != "8000" {
		t.Errorf("%s rows", rows)
	}
}

// A role as RDS has them: no superuser, and no access to pg_authid.
func TestAWSUnprivileged(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	pg, proxy, p := awsServer(t)
	pg.Exec(t, "postgres", `
		CREATE ROLE rds_iam;
		CREATE ROLE backup LOGIN IN ROLE rds_iam;
		CREATE ROLE restorer LOGIN CREATEDB CREATEROLE IN ROLE rds_iam;
		CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'sekret';
		CREATE ROLE clerk LOGIN PASSWORD 'sekret'`)
	harness.Shop(t, pg, "shop")
	pg.Exec(t, "shop", "ALTER TABLE customers OWNER TO boss; GRANT SELECT ON orders TO clerk")
	pg.Exec(t, "shop", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO backup; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO backup")
	p.SourceAdd("aws", proxy.URL("backup", ""), "region=eu-west-3", tools(t))
	snapshot, result := p.Backup("@aws")
	if result.ExitCode != 0 {
		t.Fatalf("exit status %d:\n%s", result.ExitCode, result.Output())
	}
	const warning = "the roles are saved without their passwords"
	if manifest := string(p.Cat(snapshot, "/manifest.json")); !strings.Contains(manifest, warning) || !strings.Contains(result.Output(), warning) {
		t.Errorf("no warning:\n%s\n%s", result.Output(), manifest)
	}
	globals := string(p.Cat(snapshot, "/00000-globals.sql"))
	if !strings.Contains(globals, "CREATE ROLE clerk") || strings.Contains(globals, "PASSWORD") {
		t.Errorf("globals:\n%s", globals)
	}

	dst := harness.Start(t, harness.TLS())
	dst.Exec(t, "postgres", "CREATE ROLE restorer LOGIN CREATEDB CREATEROLE")
	to := rds.Start(t, dst)
	policy := proxy.Policy()
	policy.Endpoint = to.Policy().Endpoint
	to.SetPolicy(policy)
	p.DestinationAdd("all", to.URL("restorer", ""), "region=eu-west-3", tools(t))
	result = p.MustFail("restore", "-to", "@all", snapshot)
	for _, want := range []string{"restoring the globals", "ALTER ROLE", "42501", `restoring database "shop"`, `"boss"`} {
		if !strings.Contains(result.Message(), want) {
			t.Errorf("want %q in\n%s", want, result.Output())
		}
	}
	// What could be restored was: all rows, into a new and into an empty database.
	const count = "SELECT count(*), (SELECT count(*) FROM orders), (SELECT count(*) FROM best_sellers) FROM customers"
	want := pg.QueryText(t, "shop", count)
	dst.Exec(t, "postgres", "CREATE DATABASE empty OWNER restorer")
	p.DestinationAdd("empty", to.URL("restorer", "empty"), "region=eu-west-3", tools(t), "databases=shop", "no_globals=true")
	p.MustFail("restore", "-to", "@empty", snapshot)
	for _, db := range []string{"shop", "empty"} {
		if got := dst.QueryText(t, db, count); got != want {
			t.Errorf("%s: %s rows, want %s", db, got, want)
		}
	}

	p.DestinationAdd("own", to.URL("restorer", ""), "region=eu-west-3", tools(t), "databases=shop", "recreate=true",
		"no_globals=true", "no_owner=true", "no_privileges=true")
	p.MustRestore("@own", snapshot)
}

// tools names the client tools of the version under test, wherever they are.
func tools(t *testing.T) string {
	t.Helper()
	major, err := harness.DefaultMajor()
	if err != nil {
		t.Fatal(err)
	}
	return "pg_bin_dir=" + harness.ToolsDir(t, major)
}

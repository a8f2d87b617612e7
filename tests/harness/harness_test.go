package harness_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// The harness is only worth something when its proof works: a cluster that was
// moved by hand with PostgreSQL's own tools has equal fingerprints, and one
// changed row, sequence, large object, role or setting makes them differ.
func TestRoundTripByHand(t *testing.T) {
	harness.EachMajor(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		if got := src.QueryText(t, "postgres", "SELECT current_setting('server_version_num')::int / 10000"); got != strconv.Itoa(major) {
			t.Fatalf("major %s, want %d", got, major)
		}
		harness.SeedHard(t, src)
		harness.SeedNames(t, src, harness.AwkwardNames[:4]...) // pg_dumpall refuses some of the others
		dst := harness.Start(t, harness.Major(major))
		moveByHand(t, src, dst)
		harness.CompareClusters(t, src, dst)
		if t.Failed() {
			return
		}
		testChangesAreSeen(t, dst)
	})
}

func testChangesAreSeen(t *testing.T, s *harness.Server) {
	content := func() string { return harness.Fingerprint(t, s, harness.SeedDatabase) }
	testSeen(t, s, content,
		"UPDATE app.value SET f = f + 1e-10 WHERE id = 2",
		"INSERT INTO app.no_columns DEFAULT VALUES",
		"SELECT nextval('app.unused')",
		"SELECT lo_put(70002, 5, '\\x01')",
		"REVOKE SELECT ON app.cheerful FROM PUBLIC",
		"COMMENT ON LARGE OBJECT 70002 IS 'other'",
		"ALTER TABLE app.customer ENABLE TRIGGER ALL",
		"REFRESH MATERIALIZED VIEW app.unpopulated",
	)
	cluster := func() string { return harness.RolesFingerprint(t, s) }
	testSeen(t, s, cluster,
		"ALTER ROLE seed_owner PASSWORD 'other'",
		"ALTER ROLE seed_owner IN DATABASE seed RESET enable_seqscan",
		"REVOKE seed_reader FROM seed_owner",
		"GRANT CREATE ON DATABASE seed TO seed_other",
		"COMMENT ON DATABASE seed_empty IS 'other'",
	)
}

func testSeen(t *testing.T, s *harness.Server, fingerprint func() string, changes ...string) {
	t.Helper()
	before := fingerprint()
	for _, sql := range changes {
		s.Exec(t, harness.SeedDatabase, sql)
		after := fingerprint()
		if after == before {
			t.Errorf("not seen: %s", sql)
		}
		before = after
	}
}

// moveByHand copies a cluster with pg_dumpall and psql.
func moveByHand(t *testing.T, src, dst *harness.Server) {
	t.Helper()
	dump := exec.Command(src.Tool("pg_dumpall"), "--clean", "--if-exists")
	dump.Env = src.Env("postgres")
	var stderr strings.Builder
	dump.Stderr = &stderr
	out, err := dump.Output()
	if err != nil {
		t.Fatalf("pg_dumpall: %v\n%s", err, stderr.String())
	}
	load := exec.Command(dst.Tool("psql"), "-X", "-q", "-o", "/dev/null", "-f", "-")
	load.Env = append(dst.Env("template1"), "PGOPTIONS=-c client_min_messages=error")
	load.Stdin = strings.NewReader(string(out))
	text, err := load.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, text)
	}
	t.Logf("psql said:\n%s", text)
}

func TestStopAndAdopt(t *testing.T) {
	s := harness.Start(t, harness.TLS(), harness.Conf("work_mem = '5MB'"), harness.HBA("local all nobody reject"))
	s.Exec(t, "postgres", "CREATE TABLE t AS SELECT 1 AS a")
	s.Stop(harness.Fast)
	if err := s.TryExec("postgres", "SELECT 1"); err == nil {
		t.Fatal("still there after Stop")
	}
	copied := harness.Adopt(t, s.DataDir)
	if got := copied.QueryText(t, "postgres", "SELECT a, current_setting('work_mem') FROM t"); got != "1|4MB" {
		t.Fatalf("adopted: %s", got)
	}
	s.Start(t)
	if got := s.QueryText(t, "postgres", "SELECT a, current_setting('work_mem') FROM t"); got != "1|5MB" {
		t.Fatalf("restarted: %s", got)
	}
}

func TestTLS(t *testing.T) {
	s := harness.Start(t, harness.TLS(), harness.HBA("hostssl all certified all cert"))
	s.Exec(t, "postgres", "CREATE ROLE certified LOGIN SUPERUSER")
	cert, key := s.Certs.Client(t, "certified")
	for _, c := range []struct {
		params string
		ok     bool
	}{
		{"sslmode=verify-full&sslrootcert=" + s.Certs.CA, true},
		{"sslmode=verify-full&sslrootcert=" + s.Certs.WrongCA, false},
		{"user=certified&sslmode=verify-full&sslrootcert=" + s.Certs.CA + "&sslcert=" + cert + "&sslkey=" + key, true},
		{"user=certified&sslmode=verify-full&sslrootcert=" + s.Certs.CA, false},
	} {
		cmd := exec.Command(s.Tool("psql"), "-X", "-Atc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
			s.URL("postgres")+"?"+c.params)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || c.ok && strings.TrimSpace(string(out)) != "t" {
			t.Errorf("%s: %v %s", c.params, err, out)
		}
	}
}

func TestShop(t *testing.T) {
	s := harness.Start(t)
	harness.Shop(t, s, "shop")
	if got := s.QueryText(t, "shop", "SELECT count(*) FROM order_lines"); got != "18000" {
		t.Errorf("%s order lines", got)
	}
}

func TestRoot(t *testing.T) {
	if _, err := os.Stat(filepath.Join(harness.Root(), "go.mod")); err != nil {
		t.Error(err)
	}
}

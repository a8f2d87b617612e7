package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// physicalURL is the location of a server for a physical backup.
func physicalURL(s *harness.Server) string {
	return "postgres+bin" + strings.TrimPrefix(s.URL(""), "postgres")
}

// physical adds the server as @phys to a new plakar.
func physical(t *testing.T, s *harness.Server, options ...string) *harness.Plakar {
	t.Helper()
	p := harness.NewPlakar(t)
	p.SourceAdd("phys", physicalURL(s), append(options, s.BinDirOption())...)
	return p
}

// restored restores a snapshot to a directory and has PostgreSQL's own tool verify it,
// but for manifest.json and the paths in except, by default that of the tablespaces.
func restored(t *testing.T, p *harness.Plakar, s *harness.Server, snapshot string, except ...string) (dataDir string) {
	t.Helper()
	dataDir = filepath.Join(t.TempDir(), "pgdata")
	p.MustRestore(dataDir, snapshot)
	args := []string{"--exit-on-error", "--ignore=manifest.json"}
	if len(except) == 0 {
		except = []string{"tablespaces"}
	}
	for _, path := range except {
		args = append(args, "--ignore="+path)
	}
	tool(t, s, "", "pg_verifybackup", append(args, dataDir)...)
	return dataDir
}

// tool runs a program of the server's version.
func tool(t *testing.T, s *harness.Server, db, name string, args ...string) string {
	t.Helper()
	if _, err := os.Stat(s.Tool(name)); err != nil {
		harness.Missing(t, "no %s: %v", name, err)
	}
	cmd := exec.Command(s.Tool(name), args...)
	cmd.Env = s.Env(db)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// amcheck looks into every table and index.
func amcheck(t *testing.T, s *harness.Server) {
	t.Helper()
	tool(t, s, "postgres", "pg_amcheck", "--all", "--install-missing", "--heapallindexed")
}

// eventually waits for something that the server or kernel does on its own time.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	within(t, 3*time.Minute, what, ready)
}

// within is eventually with a limit that is promised. On a busy machine, where a look takes
// as long as what is waited for, it is reached after some looks at the earliest.
func within(t *testing.T, limit time.Duration, what string, ready func() bool) {
	t.Helper()
	const leastLooks = 30
	deadline := time.Now().Add(limit)
	for looks := 1; !ready(); looks++ {
		if looks > leastLooks && time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// nothingLeft checks that plakar's home has no process and no file, and the server
// no session and no slot, that a backup made. The server may be nil.
func nothingLeft(t *testing.T, p *harness.Plakar, s *harness.Server) {
	t.Helper()
	eventually(t, "no process left", func() bool { return len(plugins(p)) == 0 })
	entries, err := os.ReadDir(p.Temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "plakar-backup-") { // plakar's own, after kill -9
			t.Errorf("left behind: %s", entry.Name())
		}
	}
	if s == nil {
		return
	}
	for what, query := range map[string]string{
		"sessions": "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plakar%'",
		"slots":    "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'plakar%'",
	} {
		eventually(t, "no "+what+" left", func() bool { return s.QueryText(t, "postgres", query) == "0" })
	}
}

// plugins are the processes of this plakar that are the plugin, or were started by it.
func plugins(p *harness.Plakar) []int {
	var pids []int
	for pid, program := range p.Processes() {
		if program != "plakar" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// bigTable makes a table of about the given size, in the given tablespace.
func bigTable(t *testing.T, s *harness.Server, name string, megabytes int, tablespace string) {
	t.Helper()
	s.Exec(t, "postgres", fmt.Sprintf(
		"CREATE TABLE %s TABLESPACE %s AS SELECT i, repeat(md5(i::text), 30) AS filler FROM generate_series(1, %d) i",
		name, tablespace, megabytes*1024))
}

// withTablespace adds the tablespace "elsewhere" with a table in it.
func withTablespace(t *testing.T, s *harness.Server) {
	t.Helper()
	s.Exec(t, "postgres", "CREATE TABLESPACE elsewhere LOCATION "+harness.Literal(s.Dir(t, "elsewhere")))
	s.Exec(t, "postgres", "CREATE TABLE far TABLESPACE elsewhere AS SELECT i, md5(i::text) FROM generate_series(1, 1000) i")
	s.Exec(t, "postgres", "CREATE INDEX ON far (i) TABLESPACE elsewhere")
}

// compareData is harness.CompareClusters for clusters with tablespaces, whose
// locations differ after a restore.
func compareData(t *testing.T, want, got *harness.Server) {
	t.Helper()
	for _, db := range want.Databases(t) {
		harness.CompareDatabase(t, want, got, db, db)
	}
}

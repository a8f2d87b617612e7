package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A table comes out of a physical snapshot as a dump, and the server is kept when that is
// asked for, until the user removes it.
func TestCheckKeepAndDump(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "pg_dump and pg_ctl do the same in every version")
	src := harness.Start(t, harness.Conf("max_prepared_transactions = 1"))
	src.Exec(t, "postgres", `CREATE DATABASE "my.shop"`)
	src.Exec(t, "postgres", "CREATE DATABASE closed ALLOW_CONNECTIONS false")
	src.Exec(t, "my.shop", `CREATE TABLE "Or.ders" AS SELECT generate_series(1, 321) AS a; CREATE TABLE other (a int)`)
	// Whose lock nobody releases in the copy.
	src.Exec(t, "my.shop", `BEGIN; LOCK TABLE "Or.ders"; PREPARE TRANSACTION 'it''s'`)
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	c := newProof(t, p, src)

	p.DestinationAdd("proof", "postgres+check://"+c.scratch, c.options...)
	if result := p.MustRun("destination", "ping", "proof"); !strings.Contains(result.Output(), "PostgreSQL "+strconv.Itoa(src.Major)) {
		t.Errorf("the ping does not name the version: %s", result.Output())
	}
	p.DestinationAdd("nowhere", "postgres+check://"+c.scratch+"/nosuch", ownerOf(t), "pg_bin_dir="+c.scratch)
	if result := p.MustFail("destination", "ping", "nowhere"); !strings.Contains(result.Output(), "does not exist") {
		t.Error(result.Output())
	}
	p.DestinationAdd("nothing", "postgres+check://"+c.scratch, ownerOf(t), "pg_bin_dir="+c.scratch)
	if result := p.MustFail("destination", "ping", "nothing"); !strings.Contains(result.Output(), "no PostgreSQL server is installed here") {
		t.Error(result.Output())
	}

	dump := filepath.Join(t.TempDir(), "orders.dump")
	tables := `tables="my.shop".public."Or.ders"`
	c.passes(snapshot, "level=start", tables, "dump="+dump, "timeout=1m")
	src.Exec(t, "postgres", "CREATE DATABASE again")
	tool(t, src, "again", "pg_restore", "--exit-on-error", "-d", "again", dump)
	if got := src.QueryText(t, "again", `SELECT count(*), (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) FROM "Or.ders"`); got != "321|1" {
		t.Errorf("in the dump: %s", got)
	}
	if r := c.passes(snapshot, "timeout=5m"); rowsOf(r, "my.shop", "public", "Or.ders") != 321 ||
		!strings.Contains(strings.Join(r.Warnings, "\n"), "1 prepared transactions") || !strings.Contains(strings.Join(r.Warnings, "\n"), `were not looked into: "closed"`) {
		t.Errorf("%q %+v", r.Warnings, r.Databases)
	}
	// A wrong option is refused before there is anything to report.
	failed(t, p.MustFail(c.args(snapshot, tables, "dump="+dump)...), `option "dump": `+dump+" exists")
	c.fails(snapshot, []string{"no matching tables were found"}, "level=start", `tables="my.shop".public.nosuch`, "dump="+dump+"2")
	if left, err := os.ReadDir(filepath.Dir(dump)); err != nil || len(left) != 1 {
		t.Errorf("beside the dump: %v %v", left, err)
	}

	result := p.MustRun(c.args(snapshot, "level=start", "keep=true")...)
	psql, remove := kept(t, result)
	shell := func(command string) string { return shellOf(t, src, command) }
	if out := shell(psql + ` -XAtc "SELECT current_setting('archive_mode'), pg_is_in_recovery(), current_setting('listen_addresses'), current_setting('max_worker_processes')"`); out != "off|f||0\n" {
		t.Errorf("the kept server says %q", out)
	}
	// Nobody else gets there: it is its user's.
	for _, pattern := range []string{"", "/s", "/data"} {
		dirs, _ := filepath.Glob(filepath.Join(c.scratch, "plakar-check-*"+pattern))
		if len(dirs) != 1 {
			t.Fatalf("%s: %q", pattern, dirs)
		}
		info, err := os.Stat(dirs[0])
		if err != nil || info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != harness.ServerUID(t) {
			t.Errorf("%s: %v %v", dirs[0], info, err)
		}
	}
	// Another check beside it does not touch it.
	p.MustRun(c.args(snapshot, "level=start")...)
	shell(psql + " -XAtc 'SELECT 1'")
	shell(remove)
	c.empty()
}

// kept are the commands that a check with keep=true says: to connect to its server, and to remove it.
func kept(t *testing.T, result harness.Result) (psql, remove string) {
	t.Helper()
	_, psql, found := strings.Cut(result.Output(), "connect to it: ")
	psql, rest, _ := strings.Cut(psql, "\n")
	_, remove, foundToo := strings.Cut(rest, "remove it: ")
	remove, _, _ = strings.Cut(remove, "\n")
	if !found || !foundToo {
		t.Fatal(result.Output())
	}
	return psql, remove
}

// shellOf runs a command with the tools of a server.
func shellOf(t *testing.T, s *harness.Server, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = append(s.Env("postgres"), "PATH="+s.BinDir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

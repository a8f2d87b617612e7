package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// pgBackRest makes full backups of the server; ok is false where it is not installed.
func (g *stage) pgBackRest(b *testing.B) (c contender, ok bool) {
	b.Helper()
	dir, command := g.backRestCommand(b)
	if command == nil {
		return contender{}, false
	}
	before := func(b *testing.B) {
		must(b, os.RemoveAll(filepath.Join(dir, "repo")))
		run(b, command("stanza-create"))
	}
	return contender{backRestFull, before, func(b *testing.B) sample { return measure(b, command("backup", "--type=full")) }}, true
}

// backRestRestore restores a full backup; ok is false where pgBackRest is not installed.
func (g *stage) backRestRestore(b *testing.B) (c contender, ok bool) {
	b.Helper()
	_, command := g.backRestCommand(b)
	if command == nil {
		return contender{}, false
	}
	run(b, command("stanza-create"))
	run(b, command("backup", "--type=full"))
	dir := filepath.Join(b.TempDir(), "data")
	before := emptied(dir)
	return contender{"pgBackRest, restore", func(b *testing.B) {
		before(b)
		must(b, os.Mkdir(dir, 0o700))
	}, func(b *testing.B) sample {
		return measure(b, command("restore", "--pg1-path="+dir)).plus(synced(b, dir))
	}}, true
}

// backRestCommand configures pgBackRest in a directory; command is nil where it is not
// installed.
func (g *stage) backRestCommand(b *testing.B) (dir string, command func(args ...string) *exec.Cmd) {
	b.Helper()
	program, err := exec.LookPath("pgbackrest")
	if err != nil {
		return "", nil
	}
	dir = g.server.Dir(b, "pgbackrest") // whose user archives WAL into it
	conf := filepath.Join(dir, "pgbackrest.conf")
	must(b, os.WriteFile(conf, fmt.Appendf(nil, `[global]
repo1-path=%[1]s/repo
log-path=%[1]s
lock-path=%[1]s
spool-path=%[1]s
log-level-file=off
process-max=2
compress-type=lz4
start-fast=y
archive-check=n
[bench]
pg1-path=%[2]s
pg1-socket-path=%[3]s
pg1-port=%[4]d
pg1-user=postgres
`, dir, g.server.DataDir, g.server.SocketDir, g.server.Port), 0o644)) //nolint:gosec // no secret in it
	return dir, func(args ...string) *exec.Cmd {
		return exec.Command(program, append([]string{"--config=" + conf, "--stanza=bench"}, args...)...) //nolint:gosec // what is compared with
	}
}

// backRestRecovery makes a full backup and archives WAL with pgBackRest from then on; restore is nil where
// it is not installed. archived waits until all WAL is in the archive.
func (g *stage) backRestRecovery(b *testing.B) (restore func(b *testing.B, dir string) sample, archived func(b *testing.B)) {
	b.Helper()
	_, command := g.backRestCommand(b)
	if command == nil {
		return nil, nil
	}
	info, err := os.Stat(g.server.DataDir)
	must(b, err)
	as := func(args ...string) *exec.Cmd {
		cmd := command(args...)
		asOwner(cmd, info)
		return cmd
	}
	run(b, as("stanza-create"))
	g.server.Exec(b, "postgres", "ALTER SYSTEM SET archive_command = "+harness.Literal(command("archive-push").String()+" %p"))
	g.server.Exec(b, "postgres", "SELECT pg_reload_conf()")
	run(b, as("backup", "--type=full"))
	restore = func(b *testing.B, dir string) sample {
		run(b, exec.Command("install", "-d", "-m", "700", fmt.Sprintf("--owner=%d", ownerOf(info)), dir)) //nolint:gosec // what pgBackRest wants to be there
		return measure(b, as("restore", "--pg1-path="+dir, "--archive-mode=off"))
	}
	return restore, func(b *testing.B) {
		want := g.server.QueryText(b, "postgres", "SELECT pg_walfile_name(pg_switch_wal())")
		for g.server.QueryText(b, "postgres", "SELECT last_archived_wal >= '"+want+"' FROM pg_stat_archiver") != "t" {
			time.Sleep(time.Second)
		}
	}
}

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"
)

// barmanRecovery makes a base backup with Barman, which receives the WAL from then on; restore is nil where
// it is not installed. archived waits until all WAL is in Barman's archive.
func (g *stage) barmanRecovery(b *testing.B) (restore func(b *testing.B, dir string) sample, archived func(b *testing.B)) {
	b.Helper()
	program, err := exec.LookPath("barman")
	if err != nil {
		return nil, nil
	}
	info, err := os.Stat(g.server.DataDir)
	must(b, err)
	owner, err := user.LookupId(fmt.Sprint(ownerOf(info)))
	must(b, err)
	home := g.server.Dir(b, "barman")
	conf := filepath.Join(home, "barman.conf")
	must(b, os.WriteFile(conf, fmt.Appendf(nil, `[barman]
barman_home = %[1]s
barman_user = %[2]s
log_file = %[1]s/log
[bench]
description = bench
conninfo = host=%[3]s port=%[4]d user=postgres dbname=postgres
streaming_conninfo = host=%[3]s port=%[4]d user=postgres
path_prefix = %[5]s
backup_method = postgres
streaming_archiver = on
slot_name = barman
`, home, owner.Username, g.server.SocketDir, g.server.Port, filepath.Dir(g.server.Tool("pg_basebackup"))), 0o644)) //nolint:gosec // no secret in it
	as := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, append([]string{"--config=" + conf}, args...)...) //nolint:gosec // what is compared with
		asOwner(cmd, info)
		return cmd
	}
	run(b, as("receive-wal", "--create-slot", "bench"))
	receiver := as("receive-wal", "bench")
	must(b, receiver.Start())
	stop := func() {
		_ = receiver.Process.Signal(os.Interrupt)
		_ = receiver.Wait()
	}
	for g.server.QueryText(b, "postgres", "SELECT count(*) FROM pg_stat_replication") == "0" {
		time.Sleep(100 * time.Millisecond)
	}
	run(b, as("switch-wal", "--force", "--archive", "bench"))
	run(b, as("backup", "bench"))
	restore = func(b *testing.B, dir string) sample {
		run(b, exec.Command("install", "-d", "-m", "700", "--owner="+owner.Username, dir)) //nolint:gosec // Barman writes into it
		return measure(b, as("recover", "bench", "latest", dir))
	}
	return restore, func(b *testing.B) {
		end := g.server.QueryText(b, "postgres", "SELECT pg_switch_wal()")
		for g.server.QueryText(b, "postgres", "SELECT coalesce(bool_and(flush_lsn >= '"+end+"'), false) FROM pg_stat_replication") != "t" {
			time.Sleep(time.Second)
		}
		stop()
		run(b, as("archive-wal", "bench"))
		g.dropSlots(b)
	}
}

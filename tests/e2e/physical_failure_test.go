package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// slow keeps a backup of the seed cluster busy long enough to be disturbed.
const slow = "max_rate=2M"

// streams runs f with both ways to get a base backup.
func streams(t *testing.T, f func(t *testing.T, s *harness.Server), options ...harness.Option) {
	for _, way := range []string{"pg_basebackup", "BASE_BACKUP"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, options...)
			if way == "BASE_BACKUP" {
				withTablespace(t, s)
			}
			f(t, s)
		})
	}
}

func TestPhysicalServerDies(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, s *harness.Server) {
		p := physical(t, s, slow)
		running := p.Start("backup", "@phys")
		streaming(t, s)
		s.Stop(harness.Crash)
		endsFailed(t, p, nil, running)
	})
}

// The session that sends the backup is ended by an administrator.
func TestPhysicalSessionEnds(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, s *harness.Server) {
		p := physical(t, s, slow)
		running := p.Start("backup", "@phys")
		streaming(t, s)
		s.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_basebackup")
		result := endsFailed(t, p, s, running)
		if !strings.Contains(result.Output(), "administrator command") && !strings.Contains(result.Output(), "pg_basebackup: error") {
			t.Errorf("no reason is given:\n%s", result.Output())
		}
	})
}

// A page that was damaged on the server's disk.
func TestPhysicalDamagedPage(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, s *harness.Server) {
		bigTable(t, s, "victim", 1, "pg_default")
		path := filepath.Join(s.DataDir, s.QueryText(t, "postgres", "SELECT pg_relation_filepath('victim')"))
		s.Stop(harness.Fast)
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte("damage"), 5*8192+100); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		s.Start(t)
		p := physical(t, s)
		result := endsFailed(t, p, s, p.Start("backup", "@phys"))
		if !strings.Contains(result.Output(), filepath.Base(path)) {
			t.Errorf("the file is not named:\n%s", result.Output())
		}
	}, harness.InitdbArgs("--data-checksums"))
}

// endsFailed waits for a backup that has to fail, and checks that nothing is left.
func endsFailed(t *testing.T, p *harness.Plakar, s *harness.Server, running *harness.Process) harness.Result {
	t.Helper()
	result, ended := running.WaitFor(time.Minute)
	if !ended || result.ExitCode != 1 {
		t.Errorf("ended %v, exit status %d\n%s", ended, result.ExitCode, result.Output())
	}
	if snapshots := p.Snapshots(); len(snapshots) > 0 {
		t.Errorf("there is a snapshot: %q", snapshots)
	}
	nothingLeft(t, p, s)
	return result
}

func TestPhysicalPlakarEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*harness.Process){
		"kill -9": (*harness.Process).Kill,
		"Ctrl-C":  (*harness.Process).Interrupt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams(t, func(t *testing.T, s *harness.Server) {
				p := physical(t, s, slow)
				running := p.Start("backup", "@phys")
				streaming(t, s)
				end(running)
				if result, ended := running.WaitFor(time.Minute); !ended || result.ExitCode == 0 {
					t.Errorf("ended %v: %+v", ended, result)
				}
				nothingLeft(t, p, s)
				if snapshots := p.Snapshots(); len(snapshots) > 0 {
					t.Errorf("there is a snapshot: %q", snapshots)
				}
			})
		})
	}
}

// While the server spreads its checkpoint, nobody notices a client that has gone.
func TestPhysicalPlakarEndsInCheckpoint(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, s *harness.Server) {
		bigTable(t, s, "dirty", 20, "pg_default")
		p := physical(t, s, "checkpoint=spread")
		running := p.Start("backup", "@phys")
		eventually(t, "a checkpoint", func() bool {
			return s.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'waiting for checkpoint to finish'") == "1"
		})
		running.Kill()
		nothingLeft(t, p, s)
	})
}

// The plugin alone is killed: no process, session or slot of its may stay.
func TestPhysicalPluginKilled(t *testing.T) {
	t.Parallel()
	streams(t, func(t *testing.T, s *harness.Server) {
		p := physical(t, s, slow)
		running := p.Start("backup", "@phys")
		streaming(t, s)
		for _, pid := range plugins(p) {
			name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
			if strings.HasPrefix(string(name), "postgres+bin") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		endsFailed(t, p, s, running)
	})
}

// tmpfs mounts a file system of the given size, which only root may.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A full disk below the spool makes the backup slower, not wrong.
func TestPhysicalSpoolFull(t *testing.T) {
	t.Parallel()
	harness.Once(t, "the spool is no matter of the server")
	s := harness.Start(t)
	bigTable(t, s, "big", 30, "pg_default")
	for _, option := range []string{"spool_dir=" + tmpfs(t, "3m"), "spool_size=0", "spool_size=12MiB"} {
		p := physical(t, s, option)
		snapshot, result := p.Backup("@phys")
		if result.ExitCode != 0 {
			t.Fatalf("%s: exit status %d\n%s", option, result.ExitCode, result.Output())
		}
		if full := strings.Contains(result.Output(), "no space left"); full != strings.HasPrefix(option, "spool_dir") {
			t.Errorf("%s: warned of a full disk: %v\n%s", option, full, result.Stderr)
		}
		harness.CompareClusters(t, s, harness.Adopt(t, restored(t, p, s, snapshot)))
		nothingLeft(t, p, s)
	}
}

// A full store does not hang the backup, and is told. (plakar 1.1.4 finds out after
// the last record, exits with 0 and may even list a snapshot: nothing that a plugin
// could change.)
func TestPhysicalStoreFull(t *testing.T) {
	t.Parallel()
	harness.Once(t, "the store is no matter of the server")
	s := harness.Start(t)
	s.Exec(t, "postgres", "CREATE TABLE noise AS SELECT sha512((random()::text || i)::bytea) AS v FROM generate_series(1, 200000) i")
	p := physical(t, s)
	store := filepath.Join(tmpfs(t, "4m"), "store")
	p.MustRun("at", store, "create", "-plaintext")
	if result := p.Run("at", store, "backup", "@phys"); !strings.Contains(result.Output(), "no space left") {
		t.Errorf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	nothingLeft(t, p, s)
}

// WAL that the server would have removed during the backup is held by the slot; where
// none can be made, the backup that lacks it fails.
func TestPhysicalWALIsHeld(t *testing.T) {
	t.Parallel()
	for slots, status := range map[string]int{"10": 0, "0": 1} {
		t.Run(slots+" slots", func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, harness.InitdbArgs("--wal-segsize=1"), harness.Conf("max_replication_slots = "+slots,
				"min_wal_size = 2MB", "max_wal_size = 2MB", "wal_recycle = off"))
			p := physical(t, s, slow)
			first := s.QueryText(t, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
			running := p.Start("backup", "@phys")
			streaming(t, s)
			const oldest = "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"
			for step := range 6 {
				s.Exec(t, "postgres", "CREATE TABLE IF NOT EXISTS filler AS SELECT 1; INSERT INTO filler VALUES (2)")
				s.Exec(t, "postgres", "SELECT pg_switch_wal()")
				s.Exec(t, "postgres", "CHECKPOINT")
				if gone := s.QueryText(t, "postgres", oldest) > first; gone && status == 0 {
					t.Errorf("segment %s was removed at step %d", first, step)
				}
			}
			if gone := s.QueryText(t, "postgres", oldest) > first; !gone && status != 0 {
				t.Errorf("segment %s is still there, which proves nothing", first)
			}
			if s.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'streaming database files'") != "1" {
				t.Error("the files were sent already, which proves nothing")
			}
			result := running.Wait()
			if result.ExitCode != status {
				t.Fatalf("exit status %d, want %d\n%s", result.ExitCode, status, result.Output())
			}
			if got := len(p.Snapshots()); got != 1-status {
				t.Errorf("%d snapshots", got)
			}
			nothingLeft(t, p, s)
		})
	}
}

// Without a free slot the backup is made all the same, with a warning.
func TestPhysicalNoSlot(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Conf("max_replication_slots = 0"))
	p := physical(t, s)
	snapshot, result := p.Backup("@phys")
	if result.ExitCode != 0 || !strings.Contains(result.Stderr, "WAL") {
		t.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	if text := string(p.Cat(snapshot, "/manifest.json")); !strings.Contains(text, "nothing keeps the server from removing WAL") {
		t.Errorf("not in the manifest's warnings: %s", text)
	}
	harness.CompareClusters(t, s, harness.Adopt(t, restored(t, p, s, snapshot)))
}

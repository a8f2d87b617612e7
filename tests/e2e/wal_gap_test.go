package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// refused is a backup that has to fail, with that in its message and nothing stored.
func refused(t *testing.T, p *harness.Plakar, source, want string, flags ...string) {
	t.Helper()
	before := len(p.Snapshots())
	result := p.MustFail(append(append([]string{"backup"}, flags...), source)...)
	if !strings.Contains(result.Message(), want) {
		t.Errorf("no %q in\n%s", want, result.Output())
	}
	if after := len(p.Snapshots()); after != before {
		t.Errorf("%d snapshots, %d before", after, before)
	}
}

// started is a server whose WAL is in three snapshots.
func started(t *testing.T, options ...harness.Option) (*harness.Server, *harness.Plakar) {
	t.Helper()
	s := harness.Start(t, options...)
	fill(t, s, 2)
	p := walBackup(t, s)
	for range 3 {
		fill(t, s, 2)
		p.MustBackup("@wal")
	}
	return s, p
}

// forget has the server remove all WAL that no slot keeps.
func forget(t *testing.T, s *harness.Server) {
	t.Helper()
	fill(t, s, 3)
	for range 2 {
		s.Exec(t, "postgres", "CHECKPOINT")
	}
}

// A gap is an error with a range, nothing is stored, and the user can go on after it.
func TestWALGaps(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "slots and the store are the same in all versions")
	for name, lose := range map[string]func(*harness.Server, *harness.Plakar){
		"slot dropped": func(s *harness.Server, _ *harness.Plakar) {
			s.Exec(t, "postgres", "SELECT pg_drop_replication_slot('plakar')")
			forget(t, s)
		},
		"slot invalidated": func(s *harness.Server, _ *harness.Plakar) {
			s.Exec(t, "postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
			s.Exec(t, "postgres", "SELECT pg_reload_conf()")
			forget(t, s)
			eventually(t, "the slot to be lost", func() bool {
				s.Exec(t, "postgres", "CHECKPOINT")
				return s.QueryText(t, "postgres", "SELECT wal_status FROM pg_replication_slots") == "lost"
			})
		},
		"newest two deleted": func(s *harness.Server, p *harness.Plakar) {
			p.MustRun("rm", "-apply", p.Snapshots()[0])
			p.MustRun("rm", "-apply", p.Snapshots()[0])
			forget(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := started(t, harness.Conf("min_wal_size = 32MB"))
			lose(s, p)
			refused(t, p, "@wal", "WAL is missing before")
			refused(t, p, "@wal", "continue_on_error=true")
			// Also where a segment goes to plakar while it is streamed.
			p.SourceAdd("tight", walURL(s), "spool_size=0")
			refused(t, p, "@tight", "WAL is missing before")
			p.SourceAdd("go", walURL(s), "continue_on_error=true", "spool_size=0")
			after := p.MustBackup("@go")
			if m := walOf(t, p, after); m.Gap == nil {
				t.Errorf("no gap in %+v", m)
			}
			walSegments(t, p, after)
			fill(t, s, 2)
			if m := walOf(t, p, p.MustBackup("@wal")); m.Gap != nil || m.NewSegments < 2 {
				t.Errorf("after it: %+v", m)
			}
		})
	}
}

// What does not lose WAL is no gap.
func TestWALNoGaps(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "slots and the store are the same in all versions")
	s, p := started(t)
	begin := walOf(t, p, p.Snapshots()[0]).Begin
	same := func(what string) {
		t.Helper()
		snapshot := p.MustBackup("@wal")
		if m := walOf(t, p, snapshot); m.Begin != begin || m.Gap != nil {
			t.Errorf("%s: %+v", what, m)
		}
		walSegments(t, p, snapshot)
	}
	p.MustRun("rm", "-apply", p.Snapshots()[0])
	fill(t, s, 1)
	same("the newest snapshot deleted")
	for len(p.Snapshots()) > 1 {
		p.MustRun("rm", "-apply", p.Snapshots()[len(p.Snapshots())-1])
	}
	fill(t, s, 1)
	same("older snapshots deleted")
	s.Exec(t, "postgres", "SELECT pg_drop_replication_slot('plakar')")
	same("slot dropped, the WAL is still there")
	fill(t, s, 1)
	same("after that")

	refused(t, p, "@wal", "-cache no", "-cache", "no")
	other := walBackup(t, s)
	refused(t, other, "@wal", "choose another slot for this store")
	user := exec.Command(s.Tool("pg_receivewal"), "-D", s.Dir(t, "user"), "-S", "plakar", "--no-loop")
	user.Env = s.Env("postgres")
	if err := user.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the slot to be used", func() bool {
		return s.QueryText(t, "postgres", "SELECT active FROM pg_replication_slots") == "t"
	})
	refused(t, p, "@wal", "is active for PID")
	_ = user.Process.Kill()
	_ = user.Wait()
}

// A server that was set back with its disk, slot included, does not go on with what the store has, however
// little that is.
func TestWALSetBack(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what the store knows is ours")
	for name, c := range map[string]struct{ lost, again int }{
		"behind the store": {3, 0}, "as far as the store": {2, 2}, "beyond the store": {2, 4},
		"within a segment": {0, 0}, "within a segment, and beyond it": {0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := started(t)
			s.Stop(harness.Fast)
			kept := s.DataDir + ".kept"
			copyDir(t, s.DataDir, kept)
			s.Start(t)
			fill(t, s, c.lost)
			s.Exec(t, "postgres", "INSERT INTO filled VALUES ('lost')")
			p.MustBackup("@wal")
			s.Stop(harness.Fast)
			if err := os.RemoveAll(s.DataDir); err != nil {
				t.Fatal(err)
			}
			copyDir(t, kept, s.DataDir)
			s.Start(t)
			s.Exec(t, "postgres", "CREATE TABLE other AS SELECT generate_series(1, 100) AS x")
			fill(t, s, c.again)
			before := slotLSN(t, s)
			refused(t, p, "@wal", "not what the previous snapshot has")
			if after := slotLSN(t, s); after != before {
				t.Errorf("the slot moved from %s to %s", before, after)
			}
		})
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A run that is killed loses nothing, and leaves the slot where it was.
func TestWALKilled(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "killing is the same everywhere")
	s := harness.Start(t)
	p := walBackup(t, s, "spool_size=0")
	p.MustBackup("@wal")
	begin := walOf(t, p, p.Snapshots()[0]).Begin
	for i := range harness.Count(3, 20) {
		fill(t, s, 6)
		before := slotLSN(t, s)
		run := p.Start("backup", "@wal")
		eventually(t, "the stream", func() bool {
			return s.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE state IN ('catchup', 'streaming')") != "0"
		})
		time.Sleep(time.Duration(i) * 50 * time.Millisecond)
		run.Kill()
		eventually(t, "the slot to be free", func() bool {
			return s.QueryText(t, "postgres", "SELECT active FROM pg_replication_slots") == "f"
		})
		// A run moves it only to what the snapshot before it has.
		if after := slotLSN(t, s); after < before || after > walOf(t, p, p.Snapshots()[0]).End.LSN {
			t.Errorf("the slot moved from %s to %s", before, after)
		}
		snapshot := p.MustBackup("@wal")
		if m := walOf(t, p, snapshot); m.Begin != begin || m.Gap != nil {
			t.Errorf("after the kill, the slot at %s: %+v", before, m)
		}
		walSegments(t, p, snapshot)
	}
	entries, err := os.ReadDir(p.Temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "plakar-backup-") { // plakar's own, which was killed
			t.Errorf("%s is left behind", entry.Name())
		}
	}
}

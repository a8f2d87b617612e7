package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// walBackup adds the server as @wal to a new plakar.
func walBackup(t *testing.T, s *harness.Server, options ...string) *harness.Plakar {
	t.Helper()
	p := harness.NewPlakar(t)
	p.SourceAdd("wal", walURL(s), options...)
	return p
}

func walURL(s *harness.Server) string {
	return "postgres+wal" + strings.TrimPrefix(s.URL(""), "postgres")
}

// over reports whether a command has ended.
func over(run *harness.Process) bool {
	_, ended := run.WaitFor(time.Millisecond)
	return ended
}

// fill makes the server write so many segments of WAL, and end the last one.
func fill(t *testing.T, s *harness.Server, segments int) {
	t.Helper()
	for range segments {
		s.Exec(t, "postgres", "CREATE TABLE IF NOT EXISTS filled (x text); INSERT INTO filled SELECT repeat('x', 100) FROM generate_series(1, 1000)")
		s.Exec(t, "postgres", "SELECT pg_switch_wal()")
	}
}

// walOf is what the manifest of a snapshot says of the WAL.
func walOf(t *testing.T, p *harness.Plakar, snapshot string) *manifest.WAL {
	t.Helper()
	d, err := manifest.Read(bytes.NewReader(p.Cat(snapshot, wal.ManifestPath)))
	if err != nil || d.WAL == nil || d.DumpFormat != wal.DumpFormat {
		t.Fatalf("the manifest of %s: %+v, %v", snapshot, d, err)
	}
	return d.WAL
}

// walSegments are the names of the complete segments of a snapshot, checked against its
// manifest: without a gap from its begin to its end, and one more that has begun.
func walSegments(t *testing.T, p *harness.Plakar, snapshot string) (names []string) {
	t.Helper()
	m := walOf(t, p, snapshot)
	h := wal.History{Timeline: m.Timeline}
	for _, a := range m.History {
		h.Ancestors = append(h.Ancestors, wal.Ancestor{Timeline: a.Timeline, End: a.End})
	}
	there := p.Ls(snapshot)
	for at := m.Begin; at < m.End.LSN; at += wal.LSN(m.SegmentSize) {
		s := h.SegmentAt(at, m.SegmentSize)
		if s.End() > m.End.LSN {
			if !slices.Contains(there, s.PartialPath()) {
				t.Errorf("no %s in %q", s.PartialPath(), there)
			}
			continue
		}
		names = append(names, s.Name())
		if !slices.Contains(there, s.Path()) {
			t.Errorf("no %s in %q", s.Path(), there)
		}
	}
	if len(names) != m.Segments {
		t.Errorf("the manifest has %d segments, from %s to %s are %d", m.Segments, m.Begin, m.End.LSN, len(names))
	}
	return names
}

// slotLSN is the restart_lsn of the slot.
func slotLSN(t *testing.T, s *harness.Server) wal.LSN {
	t.Helper()
	lsn, err := wal.ParseLSN(s.QueryText(t, "postgres", "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'plakar'"))
	if err != nil {
		t.Fatal(err)
	}
	return lsn
}

// A dry run touches nothing; runs under load have all the WAL, as pg_receivewal gets it; a
// run with nothing new opens no segment; no commit is ever acknowledged by a backup.
func TestWALRuns(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "headers of pages and the commands of replication change slowly")
	harness.OwnToolsOnly(t, "no tool of the client is used")
	s := harness.Start(t)
	p := walBackup(t, s)
	p.MustRun("backup", "-dry-run", "@wal")
	query(t, s, "postgres", "SELECT count(*) FROM pg_replication_slots", "0")
	first := p.MustBackup("@wal")
	walSegments(t, p, first)
	received := s.Dir(t, "received")
	s.Exec(t, "postgres", "SELECT pg_create_physical_replication_slot('receiver', true)")
	tool(t, s, "postgres", "pgbench", "--initialize", "--quiet")
	load := exec.Command(s.Tool("pgbench"), "--time=600", "--client=2", "--rate=50", "--no-vacuum")
	load.Env = s.Env("postgres")
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = load.Process.Kill(); _ = load.Wait() })
	last := first
	for range 3 {
		fill(t, s, 2)
		before := walOf(t, p, last)
		last = p.MustBackup("@wal")
		if after := walOf(t, p, last); after.NewSegments < 2 || after.Begin != before.Begin || after.Gap != nil {
			t.Errorf("%+v after %+v", after, before)
		}
	}
	_ = load.Process.Kill()
	compareReceived(t, s, p, last, received)

	s.Exec(t, "postgres", "SELECT pg_switch_wal()")
	p.MustBackup("@wal")
	if idle := walOf(t, p, p.MustBackup("@wal")); idle.NewSegments != 0 {
		t.Errorf("new segments in %+v", idle)
	}
	neverAcknowledges(t, s, p)
}

// compareReceived compares the snapshot's segments with those that pg_receivewal gets.
func compareReceived(t *testing.T, s *harness.Server, p *harness.Plakar, snapshot, received string) {
	t.Helper()
	names := walSegments(t, p, snapshot)
	tool(t, s, "postgres", "pg_receivewal", "-D", received, "-S", "receiver", "--endpos", walOf(t, p, snapshot).End.LSN.String())
	compared := 0
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(received, name))
		if err != nil {
			continue // before its slot
		}
		compared++
		if got := p.Cat(snapshot, path.Join("/wal", name[:16], name)); !bytes.Equal(got, want) {
			t.Errorf("the segment %s is another one", name)
		}
	}
	if compared < 6 {
		entries, _ := os.ReadDir(received)
		t.Errorf("%d of %q segments compared: %v are there", compared, names, entries)
	}
}

// neverAcknowledges has a commit wait for a synchronous standby, of which there is none.
func neverAcknowledges(t *testing.T, s *harness.Server, p *harness.Plakar) {
	t.Helper()
	s.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	s.Exec(t, "postgres", "SELECT pg_reload_conf()")
	committed := make(chan error, 1)
	go func() {
		committed <- s.TryExec("postgres", "SET synchronous_commit = on; CREATE TABLE waits (x int); INSERT INTO waits VALUES (1)")
	}()
	const waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	eventually(t, "a commit that waits", func() bool { return s.QueryText(t, "postgres", waiting) == "t" })
	for range 2 {
		s.Exec(t, "postgres", "SET synchronous_commit = off; SELECT pg_switch_wal()")
		p.MustBackup("@wal")
	}
	query(t, s, "postgres", waiting, "t")
	s.Exec(t, "postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	<-committed
	s.Exec(t, "postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	s.Exec(t, "postgres", "SELECT pg_reload_conf()")
}

// Segments of another size, a standby as the source, and a server that is promoted: its new
// timeline is followed.
func TestWALTimelines(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "timelines are old; TestPITR switches them with the highest version too")
	primary := harness.Start(t, harness.Fresh(), harness.InitdbArgs("--wal-segsize=64"), harness.Conf("wal_keep_size = 1GB"))
	dataDir := filepath.Join(t.TempDir(), "standby")
	tool(t, primary, "postgres", "pg_basebackup", "-D", dataDir, "-X", "stream", "-c", "fast")
	if err := os.WriteFile(filepath.Join(dataDir, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	standby := harness.Adopt(t, dataDir, harness.Conf("wal_keep_size = 1GB", "primary_conninfo = '"+strings.ReplaceAll(primary.URL("postgres"), "'", "''")+"'"))
	p := walBackup(t, standby)
	caughtUp := func() bool {
		return standby.QueryText(t, "postgres", "SELECT pg_last_wal_replay_lsn() >= '"+primary.QueryText(t, "postgres", "SELECT pg_current_wal_flush_lsn()")+"'") == "t"
	}
	fill(t, primary, 2)
	primary.Exec(t, "postgres", "CHECKPOINT")
	eventually(t, "the standby to follow", caughtUp)
	standby.Exec(t, "postgres", "CHECKPOINT")
	walSegments(t, p, p.MustBackup("@wal"))
	fill(t, primary, 2)
	primary.Exec(t, "postgres", "INSERT INTO filled VALUES ('y')")
	eventually(t, "the standby to follow", caughtUp)
	before := walOf(t, p, p.MustBackup("@wal"))
	if before.SegmentSize != 64<<20 || before.Timeline != 1 || before.NewSegments < 2 {
		t.Errorf("%+v", before)
	}
	standby.Exec(t, "postgres", "SELECT pg_promote()")
	fill(t, standby, 2)
	promoted := p.MustBackup("@wal")
	after := walOf(t, p, promoted)
	if after.Timeline != 2 || len(after.History) != 1 || after.Begin != before.Begin || after.Gap != nil {
		t.Errorf("%+v after %+v", after, before)
	}
	walSegments(t, p, promoted)
	there := p.Ls(promoted)
	old := wal.SegmentOf(1, after.History[0].End, after.SegmentSize)
	for _, path := range []string{old.PartialPath(), wal.Timeline(2).HistoryPath()} {
		if !slices.Contains(there, path) {
			t.Errorf("no %s in %q", path, there)
		}
	}
	fill(t, standby, 1)
	for range 2 {
		walSegments(t, p, p.MustBackup("@wal"))
	}
}

// What the manifest says of the WAL fits its schema, and no secret is in it.
func TestWALManifest(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the manifest is ours")
	s := harness.Start(t)
	s.Exec(t, "postgres", "CREATE ROLE keeper LOGIN REPLICATION PASSWORD 'sesame-9'")
	p := harness.NewPlakar(t)
	p.SourceAdd("wal", "postgres+wal"+strings.TrimPrefix(s.URLFor("keeper", "sesame-9", ""), "postgres"), "window=1GiB")
	text := p.Cat(p.MustBackup("@wal"), wal.ManifestPath)
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m["options"]); bytes.Contains(text, []byte("sesame-9")) || !strings.Contains(got, "window:1.073741824e+09") {
		t.Errorf("%s", text)
	}
	for option, value := range map[string]string{"slot": "A-b", "window": "0", "database": "shop"} {
		name := "bad" + option
		if result := p.Run("source", "add", name, walURL(s), option+"="+value); result.ExitCode == 0 {
			result = p.MustFail("backup", "@"+name)
			if !strings.Contains(result.Message(), option) {
				t.Errorf("%s=%s: %s", option, value, result.Output())
			}
		}
	}
}

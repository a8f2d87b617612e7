package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// asServer lets a program run as the user that servers run as.
func asServer(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	info, err := os.Stat(harness.Reserve(t, harness.Majors()[0]).SocketDir)
	must(t, err)
	who := info.Sys().(*syscall.Stat_t)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.Uid, Gid: who.Gid}}
}

// without copies a directory of WAL, but for the files that leave names.
func without(t *testing.T, dir string, leave func(name string) bool) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "wal")
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && !leave(entry.Name()) {
			copyFile(t, path, filepath.Join(copied, strings.TrimPrefix(path, dir)))
		}
		return err
	}))
	return copied
}

// segmentsOf are the complete segments that a restore keeps, in order.
func (s *story) segmentsOf(t *testing.T) []string {
	t.Helper()
	first := s.src.QueryText(t, "postgres", "SELECT pg_walfile_name('"+s.before.lsn+"')")
	files, err := filepath.Glob(filepath.Join(s.dir, "wal/00000001*/*[0-9A-F]"))
	must(t, err)
	var names []string
	for _, file := range files {
		if name := filepath.Base(file); name > first {
			names = append(names, name)
		}
	}
	if len(names) < 4 {
		t.Fatalf("segments: %q", names)
	}
	return names
}

// WAL that is missing is named, nothing can be started, and what has it completes the restore.
func gaps(t *testing.T, s *story) {
	names := s.segmentsOf(t)
	hole := names[len(names)-2]
	holed := without(t, s.dir, func(name string) bool { return name == hole })
	holedSnapshot := s.plakar.MustBackup(holed) + ":" + holed
	got := s.copy(t)
	s.refused(t, got, []string{"WAL is missing from ", "(the segment " + hole + ")", "cannot be started", "restore another WAL snapshot into it"}, holedSnapshot)
	cannotStart(t, got)

	// Whoever starts it by force does not get old data: the server stops at the empty file.
	forced := harness.Reserve(t, s.major)
	if out, err := exec.Command("cp", "-a", got.DataDir, forced.DataDir).CombinedOutput(); err != nil { //nolint:gosec // a test's own
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.Rename(filepath.Join(forced.DataDir, "global/pg_control.plakar-wal-incomplete"), filepath.Join(forced.DataDir, "global/pg_control")))
	forced.WriteFile(t, "recovery.signal", "")
	if out, err := serverOn(t, forced).CombinedOutput(); err == nil || !strings.Contains(string(out), "has wrong size: 0 instead of 1048576") {
		t.Errorf("%v: %s", err, out)
	}

	// Up to before the hole, there is no hole.
	early, _ := s.recover(t, holedSnapshot, "target_lsn="+s.moments[3].lsn)
	s.moments[3].asAt(t, promoted(t, early))

	// The newer part, and then the older one.
	older := without(t, s.dir, func(name string) bool { return len(name) >= 24 && name > hole || name == "manifest.json" })
	s.restoreWAL(t, got, s.plakar.MustBackup(older)+":"+older)
	got.Start(t)
	s.moments[6].asAt(t, promoted(t, got))
	if kept, err := os.ReadDir(filepath.Join(got.DataDir, "pg_wal/plakar")); err != nil || len(kept) > len(names)+4 {
		t.Errorf("what lies before the base backup is kept: %v %v", kept, err)
	}
	s.damaged(t, names)

	// A run during the base backup has the beginning of a segment that came with it to the end.
	own := filepath.Base(s.ownSegment(t))
	begun := without(t, s.dir, func(name string) bool { return len(name) >= 24 && name != own || name == "manifest.json" })
	file := filepath.Join(begun, "wal", own[:16], own)
	must(t, os.Truncate(file, 1<<19))
	must(t, os.Rename(file, file+".partial"))
	kept := s.copy(t)
	s.refused(t, kept, []string{"no WAL from the base backup on"}, s.plakar.MustBackup(begun)+":"+begun)
	s.unchanged(t, kept)
}

// ownSegment is the last segment that came with the base backup.
func (s *story) ownSegment(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.restored, "pg_wal", "0000*[0-9A-F]"))
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no WAL came with the base backup")
	}
	return files[len(files)-1]
}

// damaged is WAL that is not what its name says.
func (s *story) damaged(t *testing.T, names []string) {
	t.Helper()
	stranger := harness.Start(t, walConf, harness.Fresh())
	stranger.Exec(t, "postgres", "SELECT pg_switch_wal()")
	theirs := layWAL(t, stranger, "")
	place := filepath.Join(s.dir, "wal", names[0][:16])
	for want, change := range map[string]func(dir string) error{
		"the WAL is of the cluster with the system identifier": func(dir string) error {
			must(t, os.RemoveAll(dir))
			return os.CopyFS(dir, os.DirFS(theirs))
		},
		"in place of the 1048576 of a segment": func(dir string) error {
			return os.Truncate(filepath.Join(dir, "wal", names[0][:16], names[1]), 1<<19)
		},
		"its first page is that at": func(dir string) error {
			copyFile(t, filepath.Join(place, names[0]), filepath.Join(dir, "wal", names[0][:16], names[1])) // both are of the base backup's timeline
			return nil
		},
		"is no WAL": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "wal", names[0][:16], names[1]), make([]byte, 1<<20), 0o600)
		},
		"is compressed": func(dir string) error {
			return os.Rename(filepath.Join(dir, "wal", names[0][:16], names[0]), filepath.Join(dir, "wal", names[0][:16], names[0]+".gz"))
		},
	} {
		copied := without(t, s.dir, func(string) bool { return false })
		must(t, change(copied))
		s.refused(t, s.copy(t), []string{want}, s.plakar.MustBackup(copied)+":"+copied)
	}
}

// A cluster is brought back in place and goes on, on a timeline of its own; then back to before
// that, to the end of either timeline, and with parts of a snapshot.
func timelines(t *testing.T, s *story) {
	second, _ := s.recover(t, s.wal, "target_time="+s.moments[3].time)
	promoted(t, second)
	again := map[int]moment{4: tick(t, second, 4)}
	second.Exec(t, "postgres", "SELECT pg_switch_wal()")
	again[5] = tick(t, second, 5)
	dir := addWAL(t, second, without(t, s.dir, func(name string) bool { return name == "manifest.json" }), "")
	second.Stop(harness.Fast)
	both := s.plakar.MustBackup(dir)
	for name, c := range map[string]struct {
		options []string
		want    moment
	}{
		"the newest":          {nil, again[5]},
		"a moment on it":      {[]string{"target_time=" + again[4].time}, again[4]},
		"before the switch":   {[]string{"target_time=" + s.moments[2].time}, s.moments[2]},
		"the original's end":  {[]string{"target_timeline=current"}, s.moments[6]},
		"one of the original": {[]string{"target_timeline=1", "target_lsn=" + s.moments[5].lsn}, s.moments[5]},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := s.recover(t, both+":"+dir, c.options...)
			onTimeline(t, got, "3") // the next one that nobody has
			c.want.asAt(t, got)
		})
	}
	s.cutOff(t, dir, both+":"+dir)
	got := s.copy(t)
	s.restoreWAL(t, got, both+":"+dir+"/wal/0000000100000000", "target_lsn="+s.moments[5].lsn)
	s.refused(t, got, []string{"there is WAL of timeline 2, but not its history file 00000002.history", "cannot be started"}, both+":"+dir+"/wal/0000000200000000")
	cannotStart(t, got)
	s.restoreWAL(t, got, both+":"+dir+"/wal/history")
	got.Start(t)
	again[5].asAt(t, promoted(t, got))
}

// cutOff restores what a later snapshot has of a timeline that was left: neither how long it went on
// is known, nor is its last segment there. Nobody gets less than he asks for.
func (s *story) cutOff(t *testing.T, dir, both string) {
	t.Helper()
	got := s.copy(t)
	s.refused(t, got, []string{"does not say whether its WAL reaches"}, both, "target_timeline=current", "target_time="+s.quiet)
	cannotStart(t, got)
	switched := s.src.QueryText(t, "postgres", "SELECT pg_walfile_name('"+s.moments[3].lsn+"')")
	cut := without(t, dir, func(name string) bool {
		return strings.HasPrefix(name, "00000001") && len(name) >= 24 && name >= switched
	})
	later := s.plakar.MustBackup(cut) + ":" + cut
	got = s.copy(t)
	s.refused(t, got, []string{"WAL is missing from ", switched}, later, "target_timeline=current")
	cannotStart(t, got)
	s.restoreWAL(t, got, both, "target_timeline=current")
	got.Start(t)
	s.moments[6].asAt(t, promoted(t, got))
}

// A directory of pg_receivewal, segments of 64 MiB, tablespaces, and the WAL elsewhere.
func TestPITRReceivewal(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the files of pg_receivewal are alike in all versions")
	harness.OwnToolsOnly(t, "pg_receivewal is of the server's version in any case")
	src := harness.Start(t, walConf, harness.InitdbArgs("--wal-segsize=64"))
	clock(t, src)
	withTablespace(t, src)
	p := physical(t, src)
	dir := filepath.Join(t.TempDir(), "received")
	must(t, os.Mkdir(dir, 0o700))
	receiver := exec.Command(src.Tool("pg_receivewal"), "--directory="+dir, "--synchronous", "--no-password") //nolint:gosec // a tool
	receiver.Env = src.Env("")
	must(t, receiver.Start())
	eventually(t, "pg_receivewal", func() bool {
		return src.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal'") == "1"
	})
	snapshot := p.MustBackup("@phys")
	places := harness.Reserve(t, src.Major)
	fast, walPlace := filepath.Join(places.SocketDir, "fast"), filepath.Join(places.SocketDir, "wal")
	options := []string{"tablespaces=elsewhere=" + fast, "wal_dir=" + walPlace}
	got, _ := rebuild(t, p, snapshot, src.Major, options...)

	first, second := tick(t, src, 1), tick(t, src, 2)
	src.Exec(t, "postgres", "SELECT pg_switch_wal()")
	third := tick(t, src, 3)
	src.Exec(t, "postgres", "INSERT INTO far SELECT generate_series(1001, 2000)")
	eventually(t, "the WAL to arrive", func() bool {
		return src.QueryText(t, "postgres", "SELECT flush_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication") == "t"
	})
	must(t, receiver.Process.Signal(os.Interrupt))
	if err := receiver.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	received := p.MustBackup(dir)
	r := &recovery{plakar: p, major: src.Major, restored: got.DataDir, options: append(options, "pg_bin_dir="+src.BinDir)}
	quiet := src.QueryText(t, "postgres", "SELECT "+strings.ReplaceAll(timeOf, "%s", "clock_timestamp()"))
	r.refused(t, got, []string{"does not say whether its WAL reaches"}, received, "target_time="+quiet)
	cannotStart(t, got)
	r.restoreWAL(t, got, received, "target_time="+second.time, "target_action=pause")
	owned(t, walPlace)
	got.Start(t)
	eventually(t, "the pause", func() bool { return got.QueryText(t, "postgres", "SELECT pg_get_wal_replay_pause_state()") == "paused" })
	second.asAt(t, got)
	got.Stop(harness.Fast)

	// Another one from the same WAL, to its end.
	again, _ := rebuild(t, p, snapshot, src.Major)
	(&recovery{plakar: p, major: src.Major}).restoreWAL(t, again, received, "target_lsn="+first.lsn, "pg_bin_dir="+src.BinDir)
	(&recovery{plakar: p, major: src.Major}).restoreWAL(t, again, received)
	auto, err := os.ReadFile(filepath.Join(again.DataDir, "postgresql.auto.conf"))
	if err != nil || strings.Count(string(auto), "# begin of the settings") != 1 || strings.Contains(string(auto), first.lsn) {
		t.Errorf("%v: %s", err, auto)
	}
	again.Start(t)
	onTimeline(t, again, "2")
	third.asAt(t, again)
	compareData(t, src, again)
	amcheck(t, again)
	nothingLeft(t, p, src)
}

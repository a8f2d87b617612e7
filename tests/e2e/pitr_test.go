package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// story is a cluster with WAL behind its base backup.
type story struct {
	*recovery
	src     *harness.Server
	before  moment // the base backup
	moments map[int]moment
	wal     string // its snapshot, as postgres+wal:// lays it out
	quiet   string // a moment after the last commit that the WAL reaches
	after   string // one that it does not reach
	dir     string // what was backed up
}

// newStory makes it: rows 1 to 6, with restore point "four" behind the fourth.
func newStory(t *testing.T) *story {
	t.Helper()
	src := harness.Start(t, walConf, smallWAL, harness.Conf("track_commit_timestamp = on")) // small segments are quickly copied
	clock(t, src)
	tool(t, src, "postgres", "pgbench", "--initialize", "--quiet", "--scale=1")
	p := physical(t, src)
	s := &story{src: src, moments: make(map[int]moment)}
	s.before = tick(t, src, 1)
	s.recovery = restoredBase(t, p, src)
	for id := 2; id <= 6; id++ {
		s.moments[id] = tick(t, src, id)
		if id == 4 {
			src.Exec(t, "postgres", "SELECT pg_create_restore_point('four')")
		}
		src.Exec(t, "postgres", "SELECT pg_switch_wal()")
	}
	time.Sleep(10 * time.Millisecond)
	s.quiet = src.QueryText(t, "postgres", "SELECT "+strings.ReplaceAll(timeOf, "%s", "clock_timestamp()"))
	time.Sleep(10 * time.Millisecond)
	s.dir = layWAL(t, src, s.before.lsn)
	s.wal = p.MustBackup(s.dir) + ":" + s.dir
	s.after = src.QueryText(t, "postgres", "SELECT "+strings.ReplaceAll(timeOf, "%s", "clock_timestamp()"))
	return s
}

// Every kind of target, each from a copy of one base backup.
func TestPITR(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "recovery and pg_waldump are those of the version; two are enough")
	harness.OwnToolsOnly(t, "pg_waldump is of the server's version in any case")
	s := newStory(t)
	three, four, five, six := s.moments[3], s.moments[4], s.moments[5], s.moments[6]
	for name, c := range map[string]struct {
		options []string
		want    moment
		says    string
	}{
		"to the end":            {nil, six, "it recovers to the end of the WAL on timeline 1"},
		"time":                  {[]string{"target_time=" + three.time}, three, "it recovers up to "},
		"LSN":                   {[]string{"target_lsn=" + three.lsn, "target_inclusive=false"}, three, "up to " + three.lsn},
		"LSN, inclusive":        {[]string{"target_lsn=" + three.lsn}, three, "up to " + three.lsn},
		"transaction":           {[]string{"target_xid=" + five.xid}, five, "only the server can find the target"},
		"without transaction":   {[]string{"target_xid=" + five.xid, "target_inclusive=false"}, moment{4, five.balances, "", "", ""}, "only the server can find"},
		"restore point":         {[]string{"target_name=four", "target_timeline=1"}, four, "up to the restore point"},
		"in a quiet stretch":    {[]string{"target_time=" + s.quiet, "target_timeline=current"}, six, "nothing happened in between"},
		"settings are kept":     {[]string{"target_time=" + three.time, "settings=keep"}, three, "it recovers up to "},
		"LSN where it ends":     {[]string{"target_lsn=" + endOf(t, s)}, six, "nothing happened in between"},
		"before any new commit": {[]string{"target_lsn=" + s.before.lsn}, moment{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "before any new commit" {
				copied := s.copy(t)
				s.refused(t, copied, []string{`option "target_lsn": ` + s.before.lsn + " is before the end of the base backup, which is at "}, s.wal, c.options...)
				s.unchanged(t, copied)
				return
			}
			got, result := s.recover(t, s.wal, c.options...)
			if !strings.Contains(result.Output(), c.says) {
				t.Errorf("it does not say %q: %s", c.says, result.Output())
			}
			onTimeline(t, got, "2")
			c.want.asAt(t, got)
		})
	}
	t.Run("edges", func(t *testing.T) { onEdge(t, s) })
	t.Run("not found", func(t *testing.T) { notFound(t, s) })
	t.Run("actions", func(t *testing.T) { actions(t, s) })
	t.Run("refused", func(t *testing.T) { refusedTargets(t, s) })
	t.Run("gap", func(t *testing.T) { gaps(t, s) })
	t.Run("timelines", func(t *testing.T) { timelines(t, s) })
	nothingLeft(t, s.plakar, s.src)
}

// endOf is where the WAL of the story ends, as its manifest says.
func endOf(t *testing.T, s *story) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "manifest.json"))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), `"lsn":"`)
	lsn, _, _ := strings.Cut(rest, `"`)
	return lsn
}

// What the server does at the target, also at one behind the last commit.
func actions(t *testing.T, s *story) {
	for name, target := range map[string]struct {
		option string
		want   moment
	}{"target": {"target_time=" + s.moments[3].time, s.moments[3]}, "quiet": {"target_time=" + s.quiet, s.moments[6]}} {
		t.Run("pause, "+name, func(t *testing.T) {
			got, _ := s.recover(t, s.wal, target.option, "target_action=pause")
			eventually(t, "the pause", func() bool { return got.QueryText(t, "postgres", "SELECT pg_get_wal_replay_pause_state()") == "paused" })
			target.want.asAt(t, got)
			got.Exec(t, "postgres", "SELECT pg_wal_replay_resume()")
			target.want.asAt(t, promoted(t, got))
		})
		t.Run("shutdown, "+name, func(t *testing.T) {
			got := s.copy(t)
			s.restoreWAL(t, got, s.wal, target.option, "target_action=shutdown")
			out, err := serverOn(t, got).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "shutdown at recovery target") {
				t.Errorf("%v: %s", err, out)
			}
			// To look at what is there: it stops at the same place again.
			auto, err := os.ReadFile(filepath.Join(got.DataDir, "postgresql.auto.conf"))
			must(t, err)
			got.WriteFile(t, "postgresql.auto.conf", strings.ReplaceAll(string(auto), "recovery_target_action = 'shutdown'", "recovery_target_action = 'pause'"))
			got.Start(t)
			target.want.asAt(t, got)
		})
	}
}

// serverOn is the server's program on a directory, which ends by itself.
func serverOn(t *testing.T, s *harness.Server) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(s.Tool("postgres"), "-D", s.DataDir, "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.SocketDir) //nolint:gosec // a tool
	cmd.SysProcAttr = asServer(t)
	return cmd
}

// Targets that cannot be reached, before and behind the WAL that there is.
func refusedTargets(t *testing.T, s *story) {
	untouched := s.copy(t)
	for _, c := range []struct {
		options string
		want    []string
	}{
		{"target_time=" + s.before.time, []string{`option "target_time": `, "is before the end of the base backup, which was at ", "restore an older base backup"}},
		{"target=immediate", []string{"immediate needs no WAL"}},
		{"wal_dir=/elsewhere", []string{`option "wal_dir"`, "leave it out"}},
		{"tablespaces=1=/elsewhere", []string{`option "tablespaces"`, "leave it out"}},
	} {
		s.refused(t, untouched, c.want, s.wal, c.options)
	}
	s.refused(t, untouched, []string{"WAL is all that can be restored into it"}, s.plakar.Snapshots()[len(s.plakar.Snapshots())-1])
	s.unchanged(t, untouched)

	late := s.copy(t)
	for _, c := range []struct {
		options string
		want    []string
	}{
		{"target_time=" + s.after, []string{"the WAL reaches up to ", "is after that", "cannot be started", "restore a newer WAL snapshot"}},
		{"target_lsn=0/FF000000", []string{"the WAL ends before 0/FF000000", "cannot be started", "restore a newer WAL snapshot"}},
		{"target_timeline=7", []string{"the history file 00000007.history of timeline 7 is missing; there are the timelines 1", "cannot be started"}},
	} {
		s.refused(t, late, c.want, s.wal, c.options)
		cannotStart(t, late)
	}
	// Where there is no base backup, a target makes no sense, and nor does WAL.
	empty := harness.Reserve(t, s.major)
	s.refused(t, empty, []string{`option "target_time"`, "restore the base backup first, without target_time"}, s.wal, "target_time="+s.quiet)
	s.refused(t, empty, []string{"this is WAL", "restore the base backup first"}, s.wal)
	// The same WAL once more, with a target that is there, completes it.
	s.restoreWAL(t, late, s.wal, "target_time="+s.moments[3].time)
	late.Start(t)
	s.moments[3].asAt(t, promoted(t, late))
	// And now it is a server's.
	s.refused(t, late, []string{"a server uses it"}, s.wal)
	late.Stop(harness.Fast)
	s.refused(t, late, []string{"a server was started on the base backup", "empty it, restore the base backup, and then the WAL"}, s.wal)
}

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// onEdge is targets at the edges of records, transactions and segments.
func onEdge(t *testing.T, s *story) {
	boundary := endOfSegment(t, s.moments[3].lsn)
	commit := func(of moment) string {
		return s.src.QueryText(t, "postgres", "SELECT "+strings.ReplaceAll(timeOf, "%s", "pg_xact_commit_timestamp('"+of.xid+"'::xid)"))
	}
	before := func(m, of moment) moment { return moment{id: m.id, balances: of.balances} }
	four, five, six := s.moments[4], s.moments[5], s.moments[6]
	for name, c := range map[string]struct {
		options []string
		want    moment
	}{
		"the end of the base backup":            {[]string{"target_lsn=" + s.baseEnd(t)}, s.before},
		"the end of the base backup, exclusive": {[]string{"target_lsn=" + s.baseEnd(t), "target_inclusive=false"}, s.before},
		"the end of a segment":                  {[]string{"target_lsn=" + boundary}, s.moments[3]},
		"the end of a segment, exclusive":       {[]string{"target_lsn=" + boundary, "target_inclusive=false"}, s.moments[3]},
		"a commit":                              {[]string{"target_time=" + commit(five)}, five},
		"a commit, exclusive":                   {[]string{"target_time=" + commit(five), "target_inclusive=false"}, before(four, five)},
		"the last commit":                       {[]string{"target_time=" + commit(six)}, six},
		"the last commit, exclusive":            {[]string{"target_time=" + commit(six), "target_inclusive=false"}, before(five, six)},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := s.recover(t, s.wal, c.options...)
			c.want.asAt(t, promoted(t, got))
		})
	}
	// The server would take a hole just behind the target for the end of the WAL.
	start, err := wal.ParseLSN(boundary)
	must(t, err)
	hole := wal.SegmentOf(1, start, wal.MinSegmentSize).Name()
	holed := without(t, s.dir, func(name string) bool { return name == hole })
	got := s.copy(t)
	s.refused(t, got, []string{"WAL is missing from ", "(the segment " + hole + ")", "restore another WAL snapshot into it"}, s.plakar.MustBackup(holed)+":"+holed, "target_lsn="+boundary)
	cannotStart(t, got)
}

// endOfSegment is where the segment of 1 MiB ends in which the position is.
func endOfSegment(t *testing.T, position string) string {
	t.Helper()
	lsn, err := wal.ParseLSN(position)
	must(t, err)
	return wal.SegmentOf(1, lsn-1, wal.MinSegmentSize).End().String()
}

// baseEnd is where the base backup ends.
func (s *story) baseEnd(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.restored, "manifest.json"))
	must(t, err)
	var m struct {
		Base struct {
			EndLSN string `json:"end_lsn"`
		} `json:"base"`
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Base.EndLSN == "" {
		t.Fatalf("%v: %s", err, text)
	}
	return m.Base.EndLSN
}

// notFound is targets that only the server can look for, and does not find: it does not open
// with something else. What we say about it helps.
func notFound(t *testing.T, s *story) {
	last, err := strconv.Atoi(s.moments[6].xid)
	must(t, err)
	for setting, option := range map[string]string{"recovery_target_xid": "target_xid=" + strconv.Itoa(last+100), "recovery_target_name": "target_name=fourth"} {
		got := s.copy(t)
		result := s.restoreWAL(t, got, s.wal, option)
		file := filepath.Join(got.DataDir, "postgresql.auto.conf")
		for _, text := range []string{"only the server can find the target", "remove the line " + setting + " from " + file} {
			if !strings.Contains(result.Output(), text) {
				t.Errorf("it does not say %q: %s", text, result.Output())
			}
		}
		if out, err := serverOn(t, got).CombinedOutput(); err == nil || !strings.Contains(string(out), "recovery ended before configured recovery target was reached") {
			t.Errorf("%v: %s", err, out)
		}
		auto, err := os.ReadFile(file) //nolint:gosec // a test's own
		must(t, err)
		var lines []string
		for line := range strings.Lines(string(auto)) {
			if !strings.HasPrefix(line, setting+" ") {
				lines = append(lines, line)
			}
		}
		got.WriteFile(t, "postgresql.auto.conf", strings.Join(lines, ""))
		got.Start(t)
		s.moments[6].asAt(t, promoted(t, got))
	}
}

package wal

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// Wherever timelines begin, all WAL of the new one is there, and the next run goes on with it.
func TestTimelineSwitches(t *testing.T) {
	t.Parallel()
	type switches []struct {
		segment int
		bytes   uint64
	}
	for name, places := range map[string]switches{
		"in what was a beginning":      {{5, 8192 + 40}},
		"in a new segment":             {{7, 100 << 10}},
		"in its first header":          {{6, 16}},
		"at the end of a segment":      {{6, 0}},
		"at the end of the newest":     {{5, 0}},
		"before the newest":            {{4, 8192 + 40}},
		"twice in a segment":           {{6, 100}, {6, 300 << 10}},
		"twice in a page":              {{6, 100}, {6, 300}},
		"twice at one place":           {{6, 100}, {6, 100}},
		"one after the other":          {{5, 9000}, {6, 9000}, {7, 0}, {8, 100}},
		"where the WAL ends":           {{8, 200 << 10}},
		"where WAL and segment end":    {{8, 0}},
		"in the segment where it ends": {{8, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := []string{"memory"}
			if name == "in what was a beginning" {
				names = append(names, "spool", "received")
			}
			eachWay(t, names, func(t *testing.T, server *standIn, s *store, options []string) {
				server.end = server.at(8, 200<<10)
				for n, place := range places {
					server.begins(xlog.Timeline(n+2), server.at(place.segment, place.bytes))
					server.end = max(server.end, server.at(place.segment, place.bytes))
				}
				if name == "where WAL and segment end" {
					server.end = server.at(8, 0)
				}
				s.must(t, server, options...)
				s.whole(t, server, server.at(3, 0))
				for timeline := range server.files {
					if string(s.files[timeline.HistoryPath()].content) != server.files[timeline] {
						t.Errorf("the history of timeline %d is %q", timeline, s.files[timeline.HistoryPath()].content)
					}
				}
				server.end = server.at(11, 17)
				for range 2 {
					s.must(t, server, options...)
					s.whole(t, server, server.at(3, 0))
				}
			})
		})
	}
}

// follows is a store with the WAL of a server that keeps all of it.
func follows(t *testing.T) (*standIn, *store) {
	t.Helper()
	server, s := newStandIn(t, 1<<20), &store{}
	for _, n := range []int{3, 4, 6, 7} {
		server.end = server.at(n, 1000)
		s.must(t, server)
	}
	return server, s
}

// Where the slot was lost, WAL that is still there is taken, if it can be seen to go on with what the
// store has; if it cannot, nothing is stored.
func TestLostSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		oldest int // of the segments that are there
		seed   byte
		reason string // why nothing is stored
	}{
		"all is there":                {3, 0, ""},
		"what is new is there":        {6, 0, ""},
		"the newest is not there":     {7, 0, "WAL is missing before 0/700000"},
		"two are not there":           {8, 0, "WAL is missing before 0/800000"},
		"the newest is not the same":  {6, 1, "not what the previous snapshot has"},
		"the newest cannot be looked": {7, 1, "WAL is missing before 0/700000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := follows(t)
			server.slot, server.reserves, server.seed = 0, server.at(9, 50), c.seed
			server.oldest, server.end = server.at(c.oldest, 0), server.at(10, 3)
			if c.reason == "" {
				s.must(t, server)
				s.whole(t, server, server.at(3, 0))
				return
			}
			before := len(server.started)
			s.refuses(t, server, c.reason)
			if n := len(server.started) - before; n > 10 {
				t.Errorf("%d streams: %q", n, server.started[before:])
			}
			if c.seed == 0 {
				s.refuses(t, server, c.reason)
				s.must(t, server, "continue_on_error=true")
				for range 2 {
					server.end += server.at(1, 0)
					s.must(t, server)
				}
				if text := s.files[xlog.ManifestPath].content; bytes.Contains(text, []byte("is missing")) {
					t.Errorf("the gap is in a later manifest: %s", text)
				}
			}
		})
	}
}

// A new slot begins just behind what the store has, which the server has removed: that is said, with a way on.
func TestNewestRemoved(t *testing.T) {
	t.Parallel()
	server, s := follows(t)
	server.slot, server.reserves = 0, server.at(7, 50)
	server.oldest = server.at(7, 0)
	server.end = server.at(8, 3)
	for range 2 {
		s.refuses(t, server, "cannot be told")
	}
	s.files = nil // what -cache no is
	s.must(t, server, "continue_on_error=true")
	for n := range 2 {
		server.end = server.at(9+n, 3)
		s.must(t, server)
		s.whole(t, server, server.at(7, 0))
	}
}

// A slot that a store without snapshots does not know stays as it is, whether it keeps WAL or not.
func TestSlotOfOthers(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]int{"keeps WAL": 3, "its WAL is gone": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := newStandIn(t, 1<<20), &store{}
			server.end, server.oldest = server.at(5, 9), server.at(2, 0)
			server.slot = server.at(restart, 0)
			s.refuses(t, server, "another store uses it")
			s.must(t, server, "continue_on_error=true")
		})
	}
}

// A slot whose WAL is gone is lost, also where the server says so only when it is asked for it.
func TestWALOfSlotRemoved(t *testing.T) {
	t.Parallel()
	server, s := follows(t)
	server.oldest, server.end = server.at(8, 0), server.at(9, 5)
	err := s.backup(t, server)
	if err == nil || !strings.Contains(err.Error(), "WAL is missing before") || !strings.Contains(err.Error(), "it was invalidated") {
		t.Error(err)
	}
	s.must(t, server, "continue_on_error=true")
	s.whole(t, server, server.at(8, 0))
}

// The server may make a checkpoint between the question for the end of its WAL and the new slot, which
// begins there.
func TestSlotBeginsLate(t *testing.T) {
	t.Parallel()
	server, s := newStandIn(t, 1<<20), &store{}
	server.end, server.reserves = server.at(3, 100), server.at(5, 40)
	s.must(t, server)
	s.whole(t, server, server.at(5, 0))
	server.end = server.at(6, 2)
	s.must(t, server)
	s.whole(t, server, server.at(5, 0))
}

// A server that has less than it had is not backed up.
func TestBehind(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		segment int
		bytes   uint64
	}{"before the slot": {3, 9}, "at its segment": {4, 0}, "in its segment": {4, 9}, "behind it": {5, 9}, "before the newest ends": {6, 9}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := follows(t)
			if server.slot != server.at(5, 0) {
				t.Fatalf("the slot is at %s", server.slot)
			}
			server.end = server.at(end.segment, end.bytes)
			s.refuses(t, server, "has not replayed yet")
			server.end = server.at(8, 0)
			s.must(t, server)
			s.whole(t, server, server.at(3, 0))
		})
	}
}

// The same timeline with another content is another history, whether its file tells or not.
func TestTwoHistories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at, end uint64 // bytes in the seventh segment, segments
		slot    bool   // the slot came along
	}{
		"began elsewhere":        {900, 9, false},
		"began at the same":      {100, 9, false},
		"went further":           {100, 12, false},
		"has only begun":         {100, 7, false},
		"with the slot":          {100, 9, true},
		"went further, its slot": {100, 12, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := follows(t)
			history := server.history
			server.begins(2, server.at(7, 100))
			for _, n := range []int{8, 10} {
				server.end = server.at(n, 77)
				s.must(t, server)
			}
			server.seed, server.history = 1, history
			server.begins(2, server.at(7, c.at))
			server.end = server.at(int(c.end), 700)
			if !c.slot {
				server.slot = 0
			}
			s.refuses(t, server, "not what the previous snapshot has")
		})
	}
}

// A segment that ends early while one is fetched that plakar waits for fails the run.
func TestFetchEnds(t *testing.T) {
	t.Parallel()
	server, s := newStandIn(t, 16<<20), &store{}
	server.end = server.at(3, 100)
	s.must(t, server, "spool_size=0")
	server.slot, server.reserves, server.end = 0, server.at(6, 0), server.at(6, 40)
	server.breakAt = server.at(5, 8<<20)
	server.breaks = answers(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "has already been removed"}, ready)
	s.refuses(t, server, "has already been removed", "spool_size=0", "continue_on_error=true")
}

// A promoted standby need not have the history files of older timelines: they are in those of newer ones.
func TestHistoryFilesRemoved(t *testing.T) {
	t.Parallel()
	server, s := follows(t)
	for n := 2; n <= 4; n++ {
		server.begins(xlog.Timeline(n), server.at(6+n, 100)) // #nosec G115 -- small
	}
	server.end = server.at(11, 7)
	files := maps.Clone(server.files)
	delete(server.files, 2)
	delete(server.files, 3)
	for range 2 {
		s.must(t, server)
		s.whole(t, server, server.at(3, 0))
		for timeline, want := range files {
			if got := string(s.files[timeline.HistoryPath()].content); got != want {
				t.Errorf("the history of timeline %d is %q, want %q", timeline, got, want)
			}
		}
		server.files, server.end = files, server.at(12, 9) // and another server, which has them
	}
}

package physical

import (
	"fmt"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

const size = 16 << 20

// set makes a set of segments of their names' last digits: "1:3" is segment 3 of timeline 1.
func set(t *testing.T, names ...string) map[wal.Segment]bool {
	t.Helper()
	all := make(map[wal.Segment]bool)
	for _, name := range names {
		var timeline, number uint64
		if _, err := fmt.Sscanf(name, "%d:%d", &timeline, &number); err != nil {
			t.Fatal(err)
		}
		all[wal.Segment{Timeline: wal.Timeline(timeline), Start: wal.LSN(number * size), Size: size}] = true //nolint:gosec // small
	}
	return all
}

// at is a position in a segment.
func at(segment, inside wal.LSN) wal.LSN { return segment*size + inside }

// Timeline 2 leaves 1 in segment 5, timeline 3 leaves 1 in segment 3, timeline 4 leaves 2 at the
// very beginning of segment 7.
func histories() map[wal.Timeline]wal.History {
	return map[wal.Timeline]wal.History{
		2: {Timeline: 2, Ancestors: []wal.Ancestor{{Timeline: 1, End: at(5, 100)}}},
		3: {Timeline: 3, Ancestors: []wal.Ancestor{{Timeline: 1, End: at(3, 100)}}},
		4: {Timeline: 4, Ancestors: []wal.Ancestor{{Timeline: 1, End: at(5, 100)}, {Timeline: 2, End: at(7, 0)}}},
	}
}

func TestGaps(t *testing.T) {
	for name, c := range map[string]struct {
		timeline           wal.Timeline
		full, partial, own []string
		from, to           wal.LSN
		want               string
	}{
		"none":                            {1, []string{"1:2", "1:3", "1:4"}, nil, nil, at(2, 5), at(4, 5), ""},
		"the last is partial":             {1, []string{"1:2", "1:3"}, []string{"1:4"}, nil, at(2, 5), at(4, 5), ""},
		"a partial one between":           {1, []string{"1:2", "1:4"}, []string{"1:3"}, nil, at(2, 5), at(4, 5), "000000010000000000000003"},
		"the backup's own":                {1, []string{"1:3"}, nil, []string{"1:2"}, at(2, 5), at(3, 5), ""},
		"the first":                       {1, []string{"1:3"}, nil, nil, at(2, 5), at(3, 5), "000000010000000000000002"},
		"several":                         {1, []string{"1:2", "1:5"}, nil, nil, at(2, 5), at(7, 5), "000000010000000000000003 to 000000010000000000000004), from 0/6000000 to 0/8000000 (the segments 000000010000000000000006 to 000000010000000000000007"},
		"over a switch":                   {2, []string{"1:3", "1:4", "2:5"}, []string{"2:6"}, nil, at(3, 5), at(6, 5), ""},
		"the old one's part of a switch":  {2, []string{"1:3", "1:4", "1:5", "2:6"}, nil, nil, at(3, 5), at(6, 5), "000000020000000000000005"},
		"a switch at a segment's edge":    {4, []string{"1:4", "2:5", "2:6", "4:7"}, nil, nil, at(4, 5), at(7, 5), ""},
		"the parent's copy at the edge":   {4, []string{"1:4", "2:5", "2:6", "2:7"}, nil, nil, at(4, 5), at(7, 5), "000000040000000000000007"},
		"up to before the switch":         {2, []string{"1:3"}, nil, nil, at(3, 5), at(3, 9), ""},
		"of an absurd size":               {1, []string{"1:2"}, nil, nil, at(2, 5), 1 << 62, "to 000000014000000000000000"},
		"the end lies before the segment": {1, []string{"1:2"}, nil, nil, at(3, 5), at(2, 5), ""},
	} {
		v := &inventory{full: set(t, c.full...), partial: set(t, c.partial...), own: set(t, c.own...), histories: histories()}
		h, _ := v.historyOf(c.timeline)
		var texts []string
		for _, g := range v.gaps(h, c.from, c.to, size) {
			texts = append(texts, g.String())
		}
		if got := strings.Join(texts, ", "); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTimelines(t *testing.T) {
	v := &inventory{full: set(t, "1:3", "2:5", "4:7"), histories: histories()}
	for _, c := range []struct {
		base   base
		latest wal.Timeline
	}{
		{base{timeline: 1, end: at(2, 0)}, 4},
		{base{timeline: 1, end: at(4, 0)}, 4},
		{base{timeline: 1, end: at(6, 0)}, 1}, // behind where both left it
		{base{timeline: 3, end: at(4, 0)}, 3}, // not 4, which comes from elsewhere
		{base{timeline: 2, end: at(6, 0)}, 4},
		{base{timeline: 2, end: at(8, 0)}, 2},
	} {
		if h, err := v.latest(&c.base); err != nil || h.Timeline != c.latest {
			t.Errorf("%+v: %v %v, want %d", c.base, h, err, c.latest)
		}
	}
	for _, c := range []struct {
		base     base
		timeline wal.Timeline
		want     string
	}{
		{base{timeline: 1, end: at(2, 0)}, 3, ""},
		{base{timeline: 2, end: at(6, 0)}, 2, ""},
		{base{timeline: 1, end: at(4, 0)}, 3, "timeline 3 left timeline 1 at 0/3000064, before the end of the base backup at 0/4000000"},
		{base{timeline: 3, end: at(4, 0)}, 4, "timeline 4 does not descend from timeline 3"},
		{base{timeline: 1, end: at(4, 0)}, 9, "the history file 00000009.history of timeline 9 is missing; there are the timelines 1, 2, 3, 4"},
	} {
		h, err := v.follow(&c.base, c.timeline)
		if c.want == "" && (err != nil || h.Timeline != c.timeline) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v to %d: %v %v, want %q", c.base, c.timeline, h, err, c.want)
		}
	}
	// Timeline 2 is known from what went on from it.
	delete(v.histories, 2)
	if h, err := v.latest(&base{timeline: 1, end: at(4, 0)}); err != nil || h.Timeline != 4 {
		t.Errorf("%v %v", h, err)
	}
	v.full = set(t, "5:9")
	if _, err := v.latest(&base{timeline: 1, end: at(2, 0)}); err == nil || !strings.Contains(err.Error(), "not its history file 00000005.history") {
		t.Error(err)
	}
}

func TestDumped(t *testing.T) {
	var d dumped
	for _, line := range []string{
		"rmgr: Heap        len (rec/tot):     54/  3498, tx:        737, lsn: 0/0153F5B8, prev 0/0153F580, desc: INSERT off 4 flags 0x00, blkref #0: rel 1663/5/16384 blk 0",
		"rmgr: Transaction len (rec/tot):     34/    34, tx:        737, lsn: 0/01540388, prev 0/0153F5B8, desc: COMMIT 2026-11-26 01:02:03.456789 UTC",
		"rmgr: Transaction len (rec/tot):     34/    34, tx:        738, lsn: 0/015403B0, prev 0/01540388, desc: ABORT 2026-11-26 01:02:03.456788 UTC; rels: base/5/16390",
		"rmgr: Transaction len (rec/tot):     34/    34, tx:        739, lsn: 0/015403E0, prev 0/015403B0, desc: PREPARE gid x: 2026-11-26 02:00:00.000000 UTC",
		"rmgr: Transaction len (rec/tot):     34/    34, tx:          0, lsn: 0/01540400, prev 0/015403E0, desc: COMMIT_PREPARED 739: 2026-11-26 01:02:04.000001 UTC; gid x",
		"", "something else",
	} {
		d.line(line)
	}
	if d.records != 5 || d.lastRecord != 0x1540400 || formatTime(d.lastCommit) != "2026-11-26 01:02:04.000001+00" {
		t.Errorf("%+v", d)
	}
}

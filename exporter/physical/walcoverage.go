package physical

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// inventory is the WAL that there is for a recovery.
type inventory struct {
	// full and partial are the segments that were restored, own those that came with the
	// base backup.
	full, partial, own map[wal.Segment]bool
	histories          map[wal.Timeline]wal.History
}

// historyOf returns a timeline with its ancestors. Timeline 1 has none.
func (v *inventory) historyOf(timeline wal.Timeline) (h wal.History, known bool) {
	if h, known = v.histories[timeline]; known {
		return h, true
	}
	return wal.History{Timeline: timeline}, timeline == 1
}

// timelines are those of which there is WAL or a history, in their order.
func (v *inventory) timelines() []wal.Timeline {
	all := make(map[wal.Timeline]bool)
	for _, set := range []map[wal.Segment]bool{v.full, v.partial} {
		for s := range set {
			all[s.Timeline] = true
		}
	}
	for timeline := range v.histories {
		all[timeline] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// latest returns the newest timeline that leads on from the base backup. (PostgreSQL's own
// "latest" is the one with the greatest number, wherever it comes from.)
func (v *inventory) latest(b *base) (wal.History, error) {
	best, _ := v.historyOf(b.timeline)
	for _, timeline := range v.timelines() {
		h, known := v.historyOf(timeline)
		switch {
		case timeline <= b.timeline:
		case !known && v.left(timeline) != 0: // the history of a newer one, which went on from it, tells all
		case !known:
			return wal.History{}, fmt.Errorf("there is WAL of timeline %d, but not its history file %s", timeline, timeline.HistoryName())
		case h.Holds(b.timeline, b.end):
			best = h
		}
	}
	return best, nil
}

// follow returns the timeline of that number, if it leads on from the base backup.
func (v *inventory) follow(b *base, timeline wal.Timeline) (wal.History, error) {
	h, known := v.historyOf(timeline)
	end, descends := h.EndOf(b.timeline)
	switch {
	case timeline == b.timeline:
		return h, nil
	case !known:
		return h, fmt.Errorf("option \"target_timeline\": the history file %s of timeline %d is missing; there are the timelines %s", timeline.HistoryName(), timeline, v.known(b))
	case !descends:
		return h, fmt.Errorf("option \"target_timeline\": timeline %d does not descend from timeline %d, on which the base backup is; there are the timelines %s", timeline, b.timeline, v.known(b))
	case end < b.end:
		return h, fmt.Errorf("option \"target_timeline\": timeline %d left timeline %d at %s, before the end of the base backup at %s: use an older base backup or another timeline", timeline, b.timeline, end, b.end)
	}
	return h, nil
}

// known lists the timelines for a message.
func (v *inventory) known(b *base) string {
	all := v.timelines()
	if !slices.Contains(all, b.timeline) {
		all = append([]wal.Timeline{b.timeline}, all...)
	}
	texts := make([]string, 0, len(all))
	for _, t := range all {
		texts = append(texts, fmt.Sprint(uint32(t)))
	}
	return strings.Join(texts, ", ")
}

// last returns the last segment of a timeline that there is.
func (v *inventory) last(timeline wal.Timeline) (last wal.Segment, ok bool) {
	for _, set := range []map[wal.Segment]bool{v.full, v.partial, v.own} {
		for s := range set {
			if s.Timeline == timeline && (!ok || s.Start > last.Start) {
				last, ok = s, true
			}
		}
	}
	return last, ok
}

// reach is where the last of the restored segments of a history ends, 0 for none. Where nobody
// says how much of the last one was written, a partial one counts as a whole.
func (v *inventory) reach(h wal.History, partial bool) (end wal.LSN) {
	sets := []map[wal.Segment]bool{v.full}
	if partial {
		sets = append(sets, v.partial)
	}
	for _, set := range sets {
		for s := range set {
			if h.SegmentAt(s.Start, s.Size) == s {
				end = max(end, s.End())
			}
		}
	}
	return end
}

// left is where the last one of the other timelines left this one, 0 for none: up to there at least, there
// was WAL of it. A snapshot of the WAL after that may not have its last segment any more.
func (v *inventory) left(timeline wal.Timeline) (last wal.LSN) {
	for _, h := range v.histories {
		if end, descends := h.EndOf(timeline); descends {
			last = max(last, end)
		}
	}
	return last
}

// gap is WAL that is missing: the segments from first to last, of one timeline.
type gap struct{ first, last wal.Segment }

// String names the range and the segments.
func (g gap) String() string {
	names := "the segment " + g.first.Name()
	if g.first != g.last {
		names = fmt.Sprintf("the segments %s to %s", g.first.Name(), g.last.Name())
	}
	return fmt.Sprintf("from %s to %s (%s)", g.first.Start, g.last.End(), names)
}

// gaps returns what is missing on the history from the segment at one position to that at another,
// of size bytes. A partial one serves as the last one only.
func (v *inventory) gaps(h wal.History, from, to wal.LSN, size uint64) []gap {
	next, end := h.SegmentAt(from, size).Start, h.SegmentAt(to, size)
	there := make(map[wal.LSN]bool)
	for _, set := range []map[wal.Segment]bool{v.full, v.own} {
		for s := range set {
			if s.Start >= next && s.Start <= end.Start && h.SegmentAt(s.Start, size) == s {
				there[s.Start] = true
			}
		}
	}
	if v.partial[end] && end.Start >= next {
		there[end.Start] = true
	}
	var all []gap
	for _, start := range append(slices.Sorted(maps.Keys(there)), end.End()) {
		if start > next {
			all = append(all, gap{h.SegmentAt(next, size), h.SegmentAt(start-1, size)})
		}
		next = start + wal.LSN(size)
	}
	return all
}

// file is where a segment is, from storeDir; "" for nowhere.
func (v *inventory) file(s wal.Segment) string {
	switch {
	case v.full[s]:
		return s.Name()
	case v.partial[s]:
		return s.Name() + wal.PartialSuffix
	case v.own[s]:
		return "../" + s.Name()
	}
	return ""
}

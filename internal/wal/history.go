package wal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// History is a timeline with its ancestors.
type History struct {
	Timeline Timeline
	// Ancestors are in the order of their age, the oldest first.
	Ancestors []Ancestor
}

// Ancestor is a timeline that another one began on.
type Ancestor struct {
	Timeline Timeline
	// End is where it was left: the next one begins there.
	End LSN
}

// ParseHistory reads the history file of the timeline. Timeline 1 has none: nil content.
// Source: readTimeLineHistory in src/backend/access/transam/timeline.c
func ParseHistory(timeline Timeline, content []byte) (History, error) {
	h := History{Timeline: timeline}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		a, err := parseAncestor(fields)
		if err == nil {
			err = h.checkOrder(a)
		}
		if err != nil {
			return History{}, fmt.Errorf("the history file of timeline %d: %w", timeline, err)
		}
		h.Ancestors = append(h.Ancestors, a)
	}
	if err := lines.Err(); err != nil {
		return History{}, fmt.Errorf("the history file of timeline %d: %w", timeline, err)
	}
	return h, nil
}

// ParentHistory returns the history file of a timeline from that of the next one: this is a copy, to which
// a line was added, behind an empty one if there was something to copy.
// Source: writeTimeLineHistory in src/backend/access/transam/timeline.c
func ParentHistory(content []byte, parent Timeline) []byte {
	for start := 0; start < len(content); {
		end := len(content)
		if n := bytes.IndexByte(content[start:], '\n'); n >= 0 {
			end = start + n + 1
		}
		if a, err := parseAncestor(strings.Fields(string(content[start:end]))); err == nil && a.Timeline == parent {
			before, _ := bytes.CutSuffix(content[:start], []byte("\n"))
			return before
		}
		start = end
	}
	return content
}

func parseAncestor(fields []string) (Ancestor, error) {
	if len(fields) < 2 {
		return Ancestor{}, errors.New("a line without a position")
	}
	timeline, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || timeline == 0 {
		return Ancestor{}, fmt.Errorf("%q is not the number of a timeline", fields[0])
	}
	end, err := ParseLSN(fields[1])
	return Ancestor{Timeline: Timeline(timeline), End: end}, err
}

// checkOrder refuses an ancestor that is not younger than those before it, or not older
// than the timeline itself.
func (h History) checkOrder(a Ancestor) error {
	if n := len(h.Ancestors); n > 0 && (a.Timeline <= h.Ancestors[n-1].Timeline || a.End < h.Ancestors[n-1].End) {
		return fmt.Errorf("timeline %d is not in order", a.Timeline)
	}
	if a.Timeline >= h.Timeline {
		return fmt.Errorf("timeline %d cannot be an ancestor", a.Timeline)
	}
	return nil
}

// Contains reports whether the timeline is this one or an ancestor.
func (h History) Contains(timeline Timeline) bool {
	_, ancestor := h.EndOf(timeline)
	return ancestor || timeline == h.Timeline
}

// EndOf returns where an ancestor was left.
func (h History) EndOf(timeline Timeline) (end LSN, ancestor bool) {
	for _, a := range h.Ancestors {
		if a.Timeline == timeline {
			return a.End, true
		}
	}
	return 0, false
}

// Holds reports whether the WAL of the timeline up to position is part of this history,
// that is, whether a server that is there can go on to this timeline.
func (h History) Holds(timeline Timeline, position LSN) bool {
	end, ancestor := h.EndOf(timeline)
	return ancestor && position <= end || timeline == h.Timeline
}

// TimelineAt returns the timeline that the byte at position lies on.
func (h History) TimelineAt(position LSN) Timeline {
	for _, a := range h.Ancestors {
		if position < a.End {
			return a.Timeline
		}
	}
	return h.Timeline
}

// SegmentAt returns the segment of size bytes that has the byte at position, under the name
// that a server on this history reads it by: one that holds the beginning of a timeline
// bears the name of that timeline, and begins with a copy of its parent's.
func (h History) SegmentAt(position LSN, size uint64) Segment {
	s := SegmentOf(h.Timeline, position, size)
	s.Timeline = h.TimelineAt(s.End() - 1)
	return s
}

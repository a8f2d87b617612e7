package wal

import (
	"fmt"
	"io"

	"github.com/jackc/pgerrcode"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// segmentIdentity is that of a complete segment, wherever its content comes from: content
// is what identity of plakar's does not tell here, but sums do.
func (r *run) segmentIdentity(s xlog.Segment) identity { return r.server.identify("segment", s.Name()) }

// askSegment asks for a complete segment. size is 0 for the empty one in a segment's place,
// after which the WAL of the previous snapshot begins.
func (r *run) askSegment(s xlog.Segment) (q *question, known bool, size uint64, err error) {
	q, a, err := r.ask(s.Path(), r.segmentIdentity(s), unknownSize)
	if err != nil || !a.known {
		return q, false, 0, err
	}
	size = uint64(a.size) // #nosec G115 -- ask has refused negative ones
	if size != 0 && size != r.server.size {
		return nil, false, 0, fmt.Errorf("the previous snapshot has %d bytes of the WAL segment %s, which is one of %d\nhint: it is damaged: begin anew with continue_on_error=true and -cache no", size, s, r.server.size)
	}
	return q, true, size, nil
}

// walkBack lists the segments before that of the slot, as far as the window reaches. Those
// that the previous snapshot does not have may still be on the server.
func (r *run) walkBack() error {
	floor := xlog.LSN(0)
	if end := r.server.end.Position; uint64(end) > r.window {
		floor = end - xlog.LSN(r.window)
	}
	r.begin = r.server.restart().Start
	for r.begin > floor && r.begin > xlog.LSN(r.server.size) {
		s := r.server.history.SegmentAt(r.begin-1, r.server.size)
		q, known, size, err := r.askSegment(s)
		if err != nil {
			return err
		}
		var more bool
		if known {
			more, err = r.haveBefore(s, size)
		} else {
			more, err = r.fetchBefore(s, q)
		}
		if err != nil || !more {
			return err
		}
	}
	if _, older := xlog.SegmentOf(r.server.end.Timeline, r.begin, r.server.size).Previous(); !older {
		r.met = true // nothing can be missing before the first segment
	}
	return nil
}

// haveBefore takes in a segment that the previous snapshot has. The newest one is compared when it
// is streamed again; at once if others were fetched in between. One that is no longer on the
// server cannot be compared: then it was not met, and nothing before it counts.
func (r *run) haveBefore(s xlog.Segment, size uint64) (more bool, err error) {
	if size != 0 && r.newest == nil && r.added > 0 {
		if compared, err := r.compareAlone(s); err != nil || !compared {
			return false, err
		}
	}
	r.met = true
	if size == 0 {
		return false, nil
	}
	r.begin = s.Start
	r.segments++
	if r.newest == nil {
		r.newest = &s
	}
	return true, nil
}

// fetchBefore takes a segment from the server that the previous snapshot does not have, or
// marks the place before which there is no WAL.
func (r *run) fetchBefore(s xlog.Segment, q *question) (more bool, err error) {
	removed, given := r.first || r.met, false
	if !removed {
		err = r.fetch(s, func(in *source) error {
			// WAL that was removed is refused only now: plakar must not have the content yet.
			if err := in.fill(); err != nil {
				return err
			}
			defer func() {
				if r.last == nil {
					r.last, r.lastSum = &s, in.hex()
				}
			}()
			return r.deliver(in, s.Size, func(content io.ReadCloser, _ bool) error {
				given = true
				q.supply(content)
				return nil
			})
		})
		removed = !given && isCode(err, pgerrcode.UndefinedFile)
	}
	if removed {
		q.supplyText("")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.begin = s.Start
	r.segments++
	r.added++
	return true, nil
}

// fetch streams one complete segment.
func (r *run) fetch(s xlog.Segment, read func(*source) error) error {
	in, err := r.open("", s)
	if err != nil {
		return err
	}
	if err := read(in); err != nil {
		return err
	}
	_, err = in.stream.Stop(r.ctx)
	return err
}

// compareAlone compares a segment of the previous snapshot with the server's, if that has it.
func (r *run) compareAlone(s xlog.Segment) (compared bool, err error) {
	err = r.fetch(s, func(in *source) error {
		_, err := io.Copy(io.Discard, io.LimitReader(in, int64(s.Size))) // #nosec G115 -- a segment's size
		if err == nil {
			r.newestSum = in.hex()
		}
		return err
	})
	if isCode(err, pgerrcode.UndefinedFile) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.compare(s)
}

// compare asks whether the segment has the content that the previous snapshot knows of its
// last one. Where a new timeline begins just after it, it need not be the last.
func (r *run) compare(s xlog.Segment) error {
	r.checked = true
	known, err := r.askOrSupply(s.SumPath(), r.sumIdentity(s, r.newestSum), "1")
	if err == nil && !known && r.server.history.SegmentAt(s.End(), s.Size).Timeline == s.Timeline {
		err = fmt.Errorf("the WAL segment %s: %w", s, errOtherHistory)
	}
	return err
}

func (r *run) sumIdentity(s xlog.Segment, sum string) identity {
	return r.server.identify("sum", s.Name(), sum)
}

// walkForth lists the segments from that of the slot on, up to the first one that the
// previous snapshot does not have, which is left in plakar's hands.
func (r *run) walkForth() error {
	for at := r.server.restart().Start; ; {
		s := r.server.history.SegmentAt(at, r.server.size)
		if s.End() > r.server.end.Position {
			return nil
		}
		q, known, size, err := r.askSegment(s)
		if err != nil {
			return err
		}
		if !known {
			r.asked = q
			return nil
		}
		if size == 0 {
			return fmt.Errorf("the WAL segment %s: %w", s, errOtherHistory)
		}
		r.met, r.newest = true, &s
		r.segments++
		at = s.End()
	}
}

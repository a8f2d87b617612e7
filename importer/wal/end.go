package wal

import (
	"fmt"
	"strconv"
	"strings"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// exchangeEnd notes where the WAL ends, and learns where that of the previous snapshot did, if it ended
// on the same timeline. A question can do both for one bit: it names the size of a record, 1 or 2
// bytes, that tells the bit now. Where the previous snapshot does not have it, the bit was the other one.
func (r *run) exchangeEnd() error {
	s := r.server
	same, err := r.askOrSupply(xlog.EndPath, s.identify("end on", s.end.Timeline.String()), "1")
	if err != nil {
		return err
	}
	now, before := uint64(s.end.Position), uint64(0)
	for bit := range xlog.LSNBits {
		text := strings.Repeat("1", 1+int(now>>bit&1))
		q, a, err := r.ask(xlog.EndBitPath(bit), s.identify("end", strconv.Itoa(bit)), int64(len(text)))
		if err != nil {
			return err
		}
		value := now >> bit & 1
		if !a.known {
			q.supplyText(text)
			value ^= 1
		}
		before |= value << bit
	}
	if !same {
		return nil
	}
	r.previous = xlog.LSN(before)
	if r.previous > s.end.Position {
		return fmt.Errorf("the WAL of the server ends at %s, that of the previous snapshot at %s: %w", s.end.Position, r.previous, errOtherHistory)
	}
	return nil
}

// begunBefore is how many bytes of the segment the previous snapshot has as its beginning, 0 for none.
func (r *run) begunBefore(s xlog.Segment) uint64 {
	if s.Timeline != r.server.end.Timeline || r.previous <= s.Start || r.previous >= s.End() {
		return 0
	}
	return uint64(r.previous - s.Start)
}

// begunToCome reports whether the end of the previous snapshot has not passed yet.
func (r *run) begunToCome() bool { return r.begunAtEnd() && r.begunSum == "" }

// begunAtEnd reports whether the previous snapshot ended within a segment.
func (r *run) begunAtEnd() bool { return r.gap == nil && r.begunBefore(r.segmentAt(r.previous)) > 0 }

// segmentAt is the segment of the server's timeline that has the byte at position.
func (r *run) segmentAt(position xlog.LSN) xlog.Segment {
	return xlog.SegmentOf(r.server.end.Timeline, position, r.server.size)
}

// compareBegun makes sure that the segment in which the previous snapshot ended begins as it did then.
func (r *run) compareBegun() error {
	if r.compared || !r.begunAtEnd() {
		return nil
	}
	r.compared = true
	s := r.segmentAt(r.previous)
	known, err := r.askOrSupply(s.BegunPath(r.previous), r.begunIdentity(s, r.begunSum), "1")
	if err == nil && !known {
		err = fmt.Errorf("the WAL segment %s up to %s: %w", s, r.previous, errOtherHistory)
	}
	return err
}

// noteBegun notes with what the last segment begins, unless that is known already.
func (r *run) noteBegun() error {
	end := r.server.end.Position
	if r.partialSum == "" || r.compared && end == r.previous {
		return nil
	}
	s := r.segmentAt(end)
	return r.emit(newRecord(s.BegunPath(end), r.begunIdentity(s, r.partialSum), unknownSize, newText("1")))
}

func (r *run) begunIdentity(s xlog.Segment, sum string) identity {
	return r.server.identify("begun", s.Name(), sum)
}

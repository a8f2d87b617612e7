package wal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/jackc/pgerrcode"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// stream takes from the server what the previous snapshot does not have, up to the end of
// the WAL as it was when the run began.
func (r *run) stream() error {
	at := r.server.restart()
	if r.newest != nil {
		at = r.server.history.SegmentAt(r.newest.End(), r.server.size)
		if r.newest.End() < r.server.restart().Start {
			at = r.server.restart() // what lies between was fetched
		} else if !r.checked {
			at = *r.newest
		}
	}
	for at.Start < r.server.end.Position {
		end, err := r.streamTimeline(at)
		if isCode(err, pgerrcode.UndefinedFile) && !r.checked && r.newest != nil && r.newest.End() == r.server.restart().Start {
			return fmt.Errorf("the WAL segment %s, the newest that the previous snapshot has, is no longer on the server, whose replication slot keeps the WAL behind it: "+
				"whether that goes on from the snapshot cannot be told (%w)\nhint: back up once with continue_on_error=true and -cache no, and take a base backup", r.newest, err)
		}
		// The WAL may end where its timeline begins: there is a beginning of it all the same.
		if err != nil || at.Timeline == r.server.end.Timeline {
			return err
		}
		at = r.server.history.SegmentAt(end, r.server.size)
	}
	return nil
}

// streamTimeline streams from the start of a segment to the end of its timeline, or of the
// WAL, and returns where that is.
func (r *run) streamTimeline(at xlog.Segment) (end xlog.LSN, err error) {
	end = r.server.end.Position
	if left, ancestor := r.server.history.EndOf(at.Timeline); ancestor && left < end {
		end = left
	}
	in, err := r.open(r.server.name, at)
	if err != nil {
		return end, err
	}
	for ; at.Start < end; at = at.Next() {
		in.begin(at)
		if at.End() > end {
			err = r.partial(in, at, uint64(end-at.Start))
		} else {
			err = r.segment(in, at)
		}
		if err == nil {
			err = r.compareAndConfirm(in)
		}
		if err != nil {
			return end, err
		}
	}
	_, err = in.stream.Stop(r.ctx)
	return end, err
}

// segment takes in a complete segment: the one to compare, the one that plakar waits for, or
// one of those after it.
func (r *run) segment(in *source, s xlog.Segment) error {
	if r.newest != nil && s == *r.newest {
		if _, err := io.Copy(io.Discard, io.LimitReader(in, int64(s.Size))); err != nil { // #nosec G115 -- a segment's size
			return r.cause(err)
		}
		r.newestSum = in.hex()
		r.last, r.lastSum = &s, r.newestSum
		return nil
	}
	r.segments++
	r.added++
	if q := r.asked; q != nil {
		r.asked = nil
		err := r.deliver(in, s.Size, func(content io.ReadCloser, _ bool) error {
			q.supply(content)
			return nil
		})
		r.last, r.lastSum = &s, in.hex()
		return err
	}
	err := r.deliver(in, s.Size, func(content io.ReadCloser, _ bool) error {
		return r.emit(newRecord(s.Path(), r.segmentIdentity(s), unknownSize, fresh{content, "the WAL segment " + s.Name(), r.late}))
	})
	r.last, r.lastSum = &s, in.hex()
	return err
}

// compareAndConfirm compares the newest segment of the previous snapshot and the beginning of the one
// behind it, as soon as both have passed, and lets go what comes before them: it is in a
// snapshot that was committed.
func (r *run) compareAndConfirm(in *source) error {
	// plakar cannot answer before it has what it waits for.
	if r.confirmed || r.asked != nil || r.newest == nil || !r.checked && r.newestSum == "" || r.begunToCome() {
		return nil
	}
	r.confirmed = true
	if !r.checked {
		if err := r.compare(*r.newest); err != nil {
			return err
		}
	}
	if err := r.compareBegun(); err != nil {
		return err
	}
	if r.newest.Start <= r.server.slot.Restart {
		return nil
	}
	// A server that was set back is found out before its slot moves.
	if err := r.sendSuccessor(); err != nil {
		return err
	}
	return in.stream.Confirm(r.newest.Start)
}

// partial takes in the beginning of a segment, where the WAL or a timeline ends. It does not
// wait for plakar: where a timeline ends, that may still wait for the segment behind it.
func (r *run) partial(in *source, s xlog.Segment, size uint64) error {
	begun, err := readAll(in, size)
	if err != nil {
		return r.cause(err)
	}
	content := io.MultiReader(bytes.NewReader(begun), io.LimitReader(zeros{}, int64(s.Size-size))) // #nosec G115 -- a segment's size
	sum := sumOf(begun)
	if s.Timeline == r.server.end.Timeline {
		r.partialSum = sum
	}
	id := r.server.identify("partial", s.Name(), sum)
	return r.emit(newRecord(s.PartialPath(), id, int64(s.Size), io.NopCloser(content))) // #nosec G115 -- as above
}

// sendSums sends what the next run compares with.
func (r *run) sendSums() error {
	if err := r.sendSuccessor(); err != nil {
		return err
	}
	if err := r.compareBegun(); err != nil {
		return err
	}
	if err := r.noteBegun(); err != nil {
		return err
	}
	if r.last == nil || r.newest != nil && *r.last == *r.newest {
		return nil
	}
	return r.emit(newRecord(r.last.SumPath(), r.sumIdentity(*r.last, r.lastSum), unknownSize, newText("1")))
}

// sendSuccessor notes whether this snapshot has a segment after the newest one of the
// previous snapshot, which must not have one. The size of the record is the note. It is sent once.
func (r *run) sendSuccessor() error {
	if r.newest == nil || r.noted {
		return nil
	}
	r.noted = true
	next := r.server.history.SegmentAt(r.newest.End(), r.newest.Size)
	had, err := r.note(next.NextPath(), r.server.identify("next", r.newest.Name(), next.Name()), r.complete(next))
	if err == nil && had {
		err = errOtherHistory
	}
	return err
}

// note notes whether this snapshot has something, and tells whether the previous one noted that it had.
func (r *run) note(pathname string, id identity, has bool) (had bool, err error) {
	size, text := int64(unknownSize), ""
	if has {
		size, text = 1, "1"
	}
	q, a, err := r.ask(pathname, id, size)
	if err == nil && !a.known {
		q.supplyText(text)
	}
	return a.known && a.size == 1, err
}

// complete reports whether the server has a segment to its end.
func (r *run) complete(s xlog.Segment) bool { return s.End() <= r.server.end.Position }

// hex is the sum of what has passed of the segment.
func (s *source) hex() string { return hex.EncodeToString(s.sum.Sum(nil)) }

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

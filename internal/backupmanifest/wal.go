package backupmanifest

import (
	"fmt"
	"regexp"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// segmentName matches a WAL segment in the data directory. Segments are the only files
// that a manifest does not list.
var segmentName = regexp.MustCompile(`^pg_wal/([0-9A-F]{24})$`)

// SegmentName returns the name of the WAL segment that a file of the data directory is,
// if it is one.
func SegmentName(name string) (segment string, ok bool) {
	match := segmentName.FindStringSubmatch(name)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// Segments are the WAL segments that came with a backup.
type Segments struct {
	size uint64           // of each, in bytes
	seen map[wal.LSN]bool // by where they start
}

// NewSegments returns an empty set.
func NewSegments() *Segments { return &Segments{seen: make(map[wal.LSN]bool)} }

// Add takes a segment and its size in bytes.
func (w *Segments) Add(name string, size int64) error {
	if len(w.seen) > 0 && uint64(size) != w.size { // #nosec G115 -- a negative one is not equal either
		return fmt.Errorf("the WAL file %q has %d bytes, others have %d", name, size, w.size)
	}
	segment, err := wal.ParseSegment(name, uint64(size)) // #nosec G115 -- a negative one is refused
	if err != nil {
		return err
	}
	w.size = segment.Size
	w.seen[segment.Start] = true
	return nil
}

// WALRange is WAL that a recovery needs.
type WALRange struct {
	Timeline uint32 `json:"Timeline"`
	Start    string `json:"Start-LSN"` // like "16/B374D848"
	End      string `json:"End-LSN"`
}

// Covers checks that the range is there. The timeline in the name is not compared:
// at a switch, the segment of the new timeline begins with what belongs to the old one.
func (w *Segments) Covers(r WALRange) error {
	start, err := wal.ParseLSN(r.Start)
	if err != nil {
		return err
	}
	end, err := wal.ParseLSN(r.End)
	if err != nil {
		return err
	}
	if w.size == 0 {
		return fmt.Errorf("the WAL from %s to %s is missing", r.Start, r.End)
	}
	for at := wal.SegmentOf(wal.Timeline(r.Timeline), start, w.size); at.Start < end; at = at.Next() {
		if !w.seen[at.Start] {
			return fmt.Errorf("the WAL segment %s is missing", at)
		}
	}
	return nil
}

// Name returns the name of the segment on the timeline that lsn lies in; ok is false
// when there is no segment, whose size it depends on.
func (w *Segments) Name(timeline uint32, lsn string) (name string, ok bool) {
	at, err := wal.ParseLSN(lsn)
	if err != nil || w.size == 0 {
		return "", false
	}
	return wal.SegmentOf(wal.Timeline(timeline), at, w.size).Name(), true
}

// Span joins the ranges into the one from where the backup begins to where it ends, nil for none. A standby that
// changed its timeline in mid-backup has several. The server lists the newest first; nothing here
// depends on it.
func Span(ranges []WALRange) (*WALRange, error) {
	var span *WALRange
	var first, last wal.LSN
	for _, r := range ranges {
		start, err := wal.ParseLSN(r.Start)
		if err != nil {
			return nil, fmt.Errorf("where the backup begins: %w", err)
		}
		end, err := wal.ParseLSN(r.End)
		if err != nil {
			return nil, fmt.Errorf("where the backup ends: %w", err)
		}
		if span == nil {
			span, first = new(WALRange), start+1
		}
		if start < first {
			span.Start, first = r.Start, start
		}
		if end >= last {
			span.End, span.Timeline, last = r.End, r.Timeline, end
		}
	}
	return span, nil
}

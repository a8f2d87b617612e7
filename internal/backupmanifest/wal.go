package backupmanifest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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
	size uint64          // of each, in bytes
	seen map[uint64]bool // by position: number of the 4 GiB and of the segment in it
}

// NewSegments returns an empty set.
func NewSegments() *Segments { return &Segments{seen: make(map[uint64]bool)} }

// Add takes a segment and its size in bytes: its name is the timeline, the number of the 4 GiB of WAL,
// and the number of the segment therein, 8 hexadecimal digits each.
func (w *Segments) Add(name string, size int64) error {
	position, err := strconv.ParseUint(name[8:], 16, 64)
	if err != nil {
		return fmt.Errorf("the WAL file %q: %w", name, err)
	}
	if size <= 0 || len(w.seen) > 0 && uint64(size) != w.size {
		return fmt.Errorf("the WAL file %q has %d bytes, others have %d", name, size, w.size)
	}
	w.size = uint64(size)
	w.seen[position] = true
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
	start, err := ParseLSN(r.Start)
	if err != nil {
		return err
	}
	end, err := ParseLSN(r.End)
	if err != nil {
		return err
	}
	if w.size == 0 {
		return fmt.Errorf("the WAL from %s to %s is missing", r.Start, r.End)
	}
	for at := start - start%w.size; at < end; at += w.size {
		if !w.seen[w.position(at)] {
			return fmt.Errorf("the WAL segment %s is missing", w.name(r.Timeline, at))
		}
	}
	return nil
}

// Name returns the name of the segment on the timeline that lsn lies in; ok is false
// when there is no segment, whose size it depends on.
func (w *Segments) Name(timeline uint32, lsn string) (name string, ok bool) {
	at, err := ParseLSN(lsn)
	if err != nil || w.size == 0 {
		return "", false
	}
	return w.name(timeline, at), true
}

func (w *Segments) position(lsn uint64) uint64 { return lsn>>32<<32 | lsn&0xffffffff/w.size }

func (w *Segments) name(timeline uint32, lsn uint64) string {
	return fmt.Sprintf("%08X%016X", timeline, w.position(lsn))
}

// ParseLSN reads "16/B374D848".
// Source: https://www.postgresql.org/docs/18/datatype-pg-lsn.html
func ParseLSN(text string) (uint64, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(errHigh, errLow); err != nil || !ok {
		return 0, fmt.Errorf("the backup manifest has the position %q in the WAL: not one", text)
	}
	return h<<32 | l, nil
}

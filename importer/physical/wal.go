package physical

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// walSegments are the segment files that came with the backup.
type walSegments struct {
	size uint64          // of each, in bytes
	seen map[uint64]bool // by position: number of the 4 GiB and of the segment in it
}

func newSegments() walSegments { return walSegments{seen: make(map[uint64]bool)} }

// add takes a segment: its name is the timeline, the number of the 4 GiB of WAL,
// and the number of the segment therein, 8 hexadecimal digits each.
func (w *walSegments) add(name string, size int64) error {
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

// walRange is WAL that a recovery needs.
type walRange struct {
	Timeline uint32 `json:"Timeline"`
	Start    string `json:"Start-LSN"`
	End      string `json:"End-LSN"`
}

// covers checks that the range is there. The timeline in the name is not compared:
// at a switch, the segment of the new timeline begins with what belongs to the old one.
func (w *walSegments) covers(r walRange) error {
	start, err := parseLSN(r.Start)
	if err != nil {
		return err
	}
	end, err := parseLSN(r.End)
	if err != nil {
		return err
	}
	if w.size == 0 {
		return fmt.Errorf("the WAL from %s to %s is missing", r.Start, r.End)
	}
	for at := start - start%w.size; at < end; at += w.size {
		position := at>>32<<32 | at&0xffffffff/w.size
		if !w.seen[position] {
			return fmt.Errorf("the WAL segment %08X%016X is missing", r.Timeline, position)
		}
	}
	return nil
}

// parseLSN reads "16/B374D848".
// Source: https://www.postgresql.org/docs/18/datatype-pg-lsn.html
func parseLSN(text string) (uint64, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(errHigh, errLow); err != nil || !ok {
		return 0, fmt.Errorf("the backup manifest has the position %q in the WAL: not one", text)
	}
	return h<<32 | l, nil
}

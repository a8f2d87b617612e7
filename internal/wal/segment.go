package wal

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// Sizes in bytes.
const (
	MinSegmentSize = 1 << 20
	MaxSegmentSize = 1 << 30
	// fileSize is what the middle part of a segment's name counts.
	fileSize = 1 << 32
)

// Endings of names.
const (
	PartialSuffix = ".partial"
	HistorySuffix = ".history"
)

// CheckSegmentSize refuses what PostgreSQL does not accept as the size of a segment in bytes.
// Source: IsValidWalSegSize in src/include/access/xlog_internal.h
func CheckSegmentSize(size uint64) error {
	if size < MinSegmentSize || size > MaxSegmentSize || bits.OnesCount64(size) != 1 {
		return fmt.Errorf("%d bytes is no size of a WAL segment: that is a power of two from 1 MiB to 1 GiB", size)
	}
	return nil
}

// Segment is one segment of the WAL.
type Segment struct {
	Timeline Timeline
	// Start is the position of its first byte.
	Start LSN
	// Size is in bytes: one that CheckSegmentSize accepts.
	Size uint64
}

// SegmentOf returns the segment of size bytes that position lies in.
func SegmentOf(timeline Timeline, position LSN, size uint64) Segment {
	return Segment{Timeline: timeline, Start: position - position%LSN(size), Size: size}
}

// End is the position after its last byte.
func (s Segment) End() LSN { return s.Start + LSN(s.Size) }

// Next is the segment that follows on the same timeline.
func (s Segment) Next() Segment {
	s.Start += LSN(s.Size)
	return s
}

// Previous is the segment before it on the same timeline; ok is false for the first one.
// PostgreSQL never uses the segment at position 0.
func (s Segment) Previous() (previous Segment, ok bool) {
	if s.Start <= LSN(s.Size) {
		return Segment{}, false
	}
	s.Start -= LSN(s.Size)
	return s, true
}

// Name is that of its file, 24 hexadecimal digits: the timeline, the number of the 4 GiB
// of WAL, and the number of the segment in it.
func (s Segment) Name() string {
	return fmt.Sprintf("%08X%08X%08X", uint32(s.Timeline), uint64(s.Start)/fileSize, uint64(s.Start)%fileSize/s.Size)
}

// String is its name.
func (s Segment) String() string { return s.Name() }

// ParseSegment reads the name of a segment of size bytes.
func ParseSegment(name string, size uint64) (Segment, error) {
	if err := CheckSegmentSize(size); err != nil {
		return Segment{}, err
	}
	if KindOf(name) != Complete {
		return Segment{}, fmt.Errorf("%q is not the name of a WAL segment", name)
	}
	timeline, _ := strconv.ParseUint(name[:8], 16, 32)
	file, _ := strconv.ParseUint(name[8:16], 16, 32)
	number, _ := strconv.ParseUint(name[16:], 16, 32)
	if timeline == 0 || number >= fileSize/size {
		return Segment{}, fmt.Errorf("%q is not the name of a WAL segment of %d bytes", name, size)
	}
	return Segment{Timeline: Timeline(timeline), Start: LSN(file*fileSize + number*size), Size: size}, nil
}

// Kind is the kind of a file, as far as its name tells.
type Kind int

// The kinds of files.
const (
	Other    Kind = iota
	Complete      // a segment
	Partial       // the beginning of a segment
	HistoryFile
)

var fileName = regexp.MustCompile(`^(?:[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history)$`)

// KindOf tells what the file of that name, without a directory, is.
func KindOf(name string) Kind {
	switch {
	case !fileName.MatchString(name):
		return Other
	case strings.HasSuffix(name, PartialSuffix):
		return Partial
	case strings.HasSuffix(name, HistorySuffix):
		return HistoryFile
	}
	return Complete
}

// HistoryName is the name of the timeline's history file.
func (t Timeline) HistoryName() string { return t.String() + HistorySuffix }

// ParseHistoryName reads the name of a history file.
func ParseHistoryName(name string) (Timeline, error) {
	timeline := uint64(0)
	if KindOf(name) == HistoryFile {
		timeline, _ = strconv.ParseUint(name[:8], 16, 32)
	}
	if timeline == 0 {
		return 0, fmt.Errorf("%q is not the name of a timeline's history file", name)
	}
	return Timeline(timeline), nil
}

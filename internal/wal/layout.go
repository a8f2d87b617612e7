package wal

import (
	"fmt"
	"path"
)

// DumpFormat is the dump_format of a snapshot of WAL in its manifest.
const DumpFormat = "wal"

// Pathnames in a snapshot of WAL.
const (
	// FormatPath and SystemIdentifierPath tell whether there is a previous snapshot, and
	// whether it is of this cluster.
	FormatPath           = "/format"
	SystemIdentifierPath = "/system_identifier"

	ManifestPath = "/manifest.json"

	// EndPath is that of the record whose identity is the timeline on which the WAL ends.
	EndPath = sumDirectory + "/end"

	walDirectory     = "/wal"
	historyDirectory = "/wal/history"
	sumDirectory     = "/sum"
)

// Path is the segment's pathname. There is one directory for each 4 GiB of a timeline.
func (s Segment) Path() string { return path.Join(walDirectory, s.Name()[:16], s.Name()) }

// PartialPath is the pathname of its beginning, padded with zeros to its size.
func (s Segment) PartialPath() string { return s.Path() + PartialSuffix }

// SumPath is the pathname of the record whose identity is the segment's content.
func (s Segment) SumPath() string { return path.Join(sumDirectory, s.Name()) }

// NextPath is the pathname of the record that tells whether the snapshot has s, as the first
// segment that the previous one did not have.
func (s Segment) NextPath() string { return s.SumPath() + ".next" }

// FirstPath is the pathname of the record that tells whether the snapshot has s, in which its timeline begins.
func (s Segment) FirstPath() string { return s.SumPath() + ".first" }

// BegunPath is the pathname of the record whose identity is the content of s up to position.
func (s Segment) BegunPath(position LSN) string {
	return fmt.Sprintf("%s.%08X", s.SumPath(), uint64(position-s.Start))
}

// EndBitPath is the pathname of the record whose size tells a bit of the position at which the WAL ends.
func EndBitPath(bit int) string { return fmt.Sprintf("%s.%02d", EndPath, bit) }

// HistoryPath is the pathname of the timeline's history file.
func (t Timeline) HistoryPath() string { return path.Join(historyDirectory, t.HistoryName()) }

// HistorySumPath is the pathname of the record whose identity is the history file's content.
func (t Timeline) HistorySumPath() string { return path.Join(sumDirectory, t.HistoryName()) }

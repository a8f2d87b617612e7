package wal

import "path"

// DumpFormat is the dump_format of a snapshot of WAL in its manifest.
const DumpFormat = "wal"

// Pathnames in a snapshot of WAL.
const (
	// FormatPath and SystemIdentifierPath tell whether there is a previous snapshot, and
	// whether it is of this cluster.
	FormatPath           = "/format"
	SystemIdentifierPath = "/system_identifier"

	ManifestPath = "/manifest.json"

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

// HistoryPath is the pathname of the timeline's history file.
func (t Timeline) HistoryPath() string { return path.Join(historyDirectory, t.HistoryName()) }

// HistorySumPath is the pathname of the record whose identity is the history file's content.
func (t Timeline) HistorySumPath() string { return path.Join(sumDirectory, t.HistoryName()) }

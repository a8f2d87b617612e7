package manifest

import (
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// WAL is what a snapshot has of the server's WAL.
type WAL struct {
	// SegmentSize is in bytes.
	SegmentSize uint64 `json:"segment_size"`
	// Timeline is that of End.
	Timeline wal.Timeline `json:"timeline"`
	// History are the ancestors of Timeline, the oldest first.
	History []WALAncestor `json:"history"`
	// Begin is the first byte that the snapshot has of the WAL without a gap up to End.
	Begin wal.LSN `json:"begin"`
	End   WALEnd  `json:"end"`
	// Segments is the number of complete ones, NewSegments of those that the previous
	// snapshot did not have.
	Segments    int `json:"segments"`
	NewSegments int `json:"new_segments"`
	// Slot is the replication slot, SlotLSN from where on it kept the WAL on the server
	// when the backup began, RetainedBytes how much that was.
	Slot          string  `json:"slot"`
	SlotLSN       wal.LSN `json:"slot_lsn"`
	RetainedBytes uint64  `json:"retained_bytes"`
	// Gap says why WAL is missing before Begin that follows the previous snapshot; nil
	// when none is.
	Gap *string `json:"gap"`
}

// WALAncestor is a timeline that was left for another one at End.
type WALAncestor struct {
	Timeline wal.Timeline `json:"timeline"`
	End      wal.LSN      `json:"end"`
}

// WALEnd is where the WAL of a snapshot ends.
type WALEnd struct {
	Timeline wal.Timeline `json:"timeline"`
	LSN      wal.LSN      `json:"lsn"`
	// Time is one that whatever was committed before has its place in the WAL before LSN;
	// nil when the role may not ask for it.
	Time *time.Time `json:"time"`
}

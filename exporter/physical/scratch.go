package physical

import (
	"os"
	"path"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// SetQuiet leaves out what tells how to start the directory, or how to go on after a failure:
// who calls it starts a server there, and removes it.
func (e *Exporter) SetQuiet() { e.options.Quiet = true }

// Owner is the user and group that the option "owner" names, or that hold without it.
func Owner(option string) (uid, gid int, err error) {
	own, err := findOwner(option, os.Geteuid())
	return own.uid, own.gid, err
}

// IsWAL reports whether an entry is one of a snapshot of WAL.
func IsWAL(pathname string) bool {
	return pathname == wal.FormatPath || pathname == wal.SystemIdentifierPath || wal.KindOf(path.Base(pathname)) != wal.Other
}

// Untouched reports whether a restore of WAL has left the directory as it was.
func (e *Exporter) Untouched() bool {
	w, isWAL := e.job.(*walRestore)
	return e.job == nil || isWAL && w.lock == nil
}

// Recovery is what a server does that is started on a directory with WAL.
type Recovery struct {
	Timeline uint32
	// End is up to where the snapshots say that there is WAL, if the server recovers all of it;
	// 0 with a target, which the server does not miss, and where none says it.
	End wal.LSN
	// SegmentSize is that of the segments, in bytes.
	SegmentSize uint64
}

// Recovery returns that of a restore of WAL that was finished; nil for others.
func (e *Exporter) Recovery() *Recovery {
	if w, isWAL := e.job.(*walRestore); isWAL {
		return w.recovery
	}
	return nil
}

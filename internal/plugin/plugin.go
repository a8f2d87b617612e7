package plugin

import (
	"context"
	"errors"
	"io"

	"github.com/PlakarKorp/kloset/connectors"
)

// NewSource makes the Source that protocol and settings describe; it touches
// nothing but its arguments.
type NewSource func(protocol string, settings map[string]string, environ []string) (Source, error)

// NewTarget makes the Target that protocol and settings describe.
type NewTarget func(protocol string, settings map[string]string, environ []string) (Target, error)

// connector is what Source and Target have in common. A call of a method returns only
// when all that it began has ended, soon after its context has: nothing else ends it.
type connector interface {
	// Origin tells servers apart, Type is the protocol.
	Origin() string
	Type() string
	// Ping checks that a backup or restore could begin.
	Ping(ctx context.Context) error
	// Close frees what the connector holds. It is called once, when no other call runs
	// and all content is closed.
	Close(ctx context.Context) error
}

// Source is a server that is backed up.
type Source interface {
	connector
	// Backup passes all records to emit, which returns when plakar has taken the
	// record, not when it has read it. What the content of a record needs goes on after
	// Backup, until the content is closed, which may happen while it is being read.
	Backup(ctx context.Context, emit func(*connectors.Record) error) error
	// Finish is called after a successful Backup, when plakar has acknowledged every
	// record, and says what the failed ones mean: nil keeps the snapshot.
	Finish(failed []RecordError) error
}

// NoExcludes is a Source whose records are of use only all together.
type NoExcludes interface {
	Source
	// RefuseExcludes is why plakar must not leave records out.
	RefuseExcludes() error
}

// Acknowledged is content (the Reader of a record) that wants to know what plakar did
// with its record.
type Acknowledged interface {
	// Acknowledge is called once. If opened is false,
	// plakar has not asked for the content: the previous snapshot has it, and size is its
	// length in bytes there, or, with size as it was emitted, the user excluded it or
	// this is a dry run.
	Acknowledge(opened bool, size int64)
}

// Target is a server, or a directory, that is restored to.
type Target interface {
	connector
	// Precheck refuses a restore that cannot begin, whatever the snapshot is, and changes
	// nothing. It is called when plakar has made the connector, and sends nothing yet: only
	// such an error does plakar always show as it is.
	Precheck(ctx context.Context) error
	// Restore restores one record, whose content (nil if it has none) may be
	// read only until Restore returns. ack has to be called once for every record,
	// at the latest in Finish. An error means to stop at once. What Restore began in the
	// background goes on after it; its context ends with the whole restore.
	Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error
	// Finish is called after the last record and returns when all is done. Its
	// error is one of the restore as a whole.
	Finish(ctx context.Context) error
	// Abort is called in place of Finish when Restore failed or not all records came.
	// The context of Restore has ended: what it began in the background ends, what was
	// to be done later is not begun. Abort returns when nothing goes on any more.
	Abort()
}

// ErrAborted is what the content of a record returns when it ends early because of a
// failure that Backup itself returns.
var ErrAborted = errors.New("the backup failed before the end of this file")

// RecordError is a record whose content could not be read to its end.
type RecordError struct {
	Pathname string
	Err      error
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/importer"
	"github.com/PlakarKorp/kloset/location"
)

// Source is a server that is backed up.
type Source interface {
	// Origin tells servers apart, Type is the protocol.
	Origin() string
	Type() string
	// Ping checks that a backup could begin.
	Ping(ctx context.Context) error
	// Backup passes all records to emit, which returns when plakar has taken the
	// record, not when it has read it.
	Backup(ctx context.Context, emit func(*connectors.Record) error) error
	// Finish is called after a successful Send, when plakar is done with every
	// record, and says what the failed ones mean: nil keeps the snapshot.
	Finish(failed []RecordError) error
	// Close frees what the Source holds. It may be called more than once.
	Close() error
}

// NoExcludes is a Source whose records are of use only all together.
type NoExcludes interface {
	Source
	// RefuseExcludes is why plakar must not leave records out.
	RefuseExcludes() error
}

// ErrAborted is what the reader of a record returns when its content ends early
// because of a failure that Send itself returns.
var ErrAborted = errors.New("the backup failed before the end of this file")

// RecordError is a record whose content could not be read to its end.
type RecordError struct {
	Pathname string
	Err      error
}

// Importer serves a Source to plakar.
type Importer struct{ source Source }

var _ importer.Importer = (*Importer)(nil)

// NewImporter returns the importer for s.
func NewImporter(s Source) *Importer { return &Importer{source: s} }

// Origin implements importer.Importer.
func (i *Importer) Origin() string { return i.source.Origin() }

// Type implements importer.Importer.
func (i *Importer) Type() string { return i.source.Type() }

// Root implements importer.Importer.
func (i *Importer) Root() string { return "/" }

// Flags implements importer.Importer: Import is called once, and waits for
// acknowledgements.
func (i *Importer) Flags() location.Flags { return location.FLAG_STREAM | location.FLAG_NEEDACK }

// Ping implements importer.Importer.
func (i *Importer) Ping(ctx context.Context) error { return limit(i.source.Ping(ctx)) }

// Close implements importer.Importer.
func (i *Importer) Close(context.Context) error { return i.source.Close() }

// Import implements importer.Importer.
func (i *Importer) Import(ctx context.Context, records chan<- *connectors.Record, results <-chan *connectors.Result) error {
	pending := &ledger{readers: make(map[string]*reader), changed: make(chan struct{}, 1)}
	go func() {
		for result := range results {
			pending.settle(result.Record.Pathname)
		}
	}()
	err := i.source.Backup(ctx, func(record *connectors.Record) error {
		pending.add(record)
		select {
		case records <- record:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if waitErr := pending.wait(ctx); waitErr != nil {
		return limit(waitErr)
	}
	if err != nil {
		return limit(errors.Join(append([]error{err}, causes(pending.failed)...)...))
	}
	if err := i.source.Finish(pending.failed); err != nil {
		return limit(err)
	}
	close(records)
	return nil
}

func causes(failed []RecordError) []error {
	errs := make([]error, 0, len(failed))
	for _, f := range failed {
		if !errors.Is(f.Err, ErrAborted) {
			errs = append(errs, f.Err)
		}
	}
	return errs
}

// ledger keeps the records that plakar has not acknowledged yet.
type ledger struct {
	mu      sync.Mutex
	readers map[string]*reader // by pathname; nil for a record without content
	failed  []RecordError
	changed chan struct{}
}

func (l *ledger) add(record *connectors.Record) {
	var r *reader
	if record.Reader != nil {
		r = &reader{ReadCloser: record.Reader}
		record.Reader = r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[record.Pathname] = r
}

// settle is called when plakar is done with the record at pathname.
func (l *ledger) settle(pathname string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, there := l.readers[pathname]
	if !there {
		return
	}
	delete(l.readers, pathname)
	if r != nil {
		if err := r.outcome(); err != nil {
			l.failed = append(l.failed, RecordError{Pathname: pathname, Err: err})
		}
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// wait returns when every record has been acknowledged.
func (l *ledger) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		left := len(l.readers)
		l.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reader notes how far plakar got with a record's content. plakar may close it
// unread: the user excluded the file, or the previous snapshot has it.
type reader struct {
	io.ReadCloser

	mu     sync.Mutex
	opened bool
	err    error // the end: io.EOF, or a failure
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = true
	if err != nil {
		r.err = err
		if !errors.Is(err, io.EOF) {
			return n, limit(err)
		}
	}
	return n, err
}

// Blocks implements blocker.
func (r *reader) Blocks() bool {
	w, ok := r.ReadCloser.(blocker)
	return !ok || w.Blocks()
}

func (r *reader) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	return r.ReadCloser.Close()
}

func (r *reader) outcome() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.opened || errors.Is(r.err, io.EOF):
		return nil
	case r.err != nil:
		return r.err
	default:
		return fmt.Errorf("plakar stopped reading before the end: see its own message; is the store full?")
	}
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"github.com/PlakarKorp/kloset/location"
)

// Target is a server that is restored to.
type Target interface {
	// Origin tells servers apart, Type is the protocol.
	Origin() string
	Type() string
	// Ping checks that a restore could begin.
	Ping(ctx context.Context) error
	// Restore restores one record, whose content (nil if it has none) may be
	// read only until Restore returns. ack has to be called once for every record,
	// at the latest in Finish. An error means to stop at once.
	Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error
	// Finish is called after the last record and returns when all is done. Its
	// error is one of the restore as a whole.
	Finish(ctx context.Context) error
	// Close frees what the Target holds. It may be called more than once.
	Close() error
}

// Exporter serves a Target to plakar.
type Exporter struct{ target Target }

var _ exporter.Exporter = (*Exporter)(nil)

// NewExporter returns the exporter for t.
func NewExporter(t Target) *Exporter { return &Exporter{target: t} }

// Origin implements exporter.Exporter.
func (e *Exporter) Origin() string { return e.target.Origin() }

// Type implements exporter.Exporter.
func (e *Exporter) Type() string { return e.target.Type() }

// Root implements exporter.Exporter.
func (e *Exporter) Root() string { return "/" }

// Flags implements exporter.Exporter.
func (e *Exporter) Flags() location.Flags { return 0 }

// Ping implements exporter.Exporter.
func (e *Exporter) Ping(ctx context.Context) error { return limit(e.target.Ping(ctx)) }

// Close implements exporter.Exporter.
func (e *Exporter) Close(context.Context) error { return e.target.Close() }

// Export implements exporter.Exporter.
func (e *Exporter) Export(ctx context.Context, records <-chan *connectors.Record, results chan<- *connectors.Result) error {
	var failures errorList
	for {
		var record *connectors.Record
		var more bool
		select {
		case record, more = <-records:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !more {
			break
		}
		if err := e.receive(ctx, record, results, &failures); err != nil {
			err = limit(errors.Join(append(failures.all(), err)...))
			// plakar is still sending and may notice that before it reads the error.
			slog.Error(err.Error())
			return err
		}
	}
	err := e.target.Finish(ctx)
	close(results)
	return limit(errors.Join(append(failures.all(), err)...))
}

// receive hands one record to the target and sends plakar its result.
func (e *Exporter) receive(ctx context.Context, record *connectors.Record, results chan<- *connectors.Result, failures *errorList) error {
	ack := func(err error) {
		if err != nil {
			failures.add(err)
		}
		result := &connectors.Result{Record: *record, Err: limit(err)}
		result.Record.Reader = nil
		select {
		case results <- result:
		case <-ctx.Done():
		}
	}
	switch {
	case record.Err != nil:
		ack(fmt.Errorf("%s: %w", record.Pathname, record.Err))
		return nil //nolint:nilerr // it is acknowledged
	case record.Reader == nil:
		return e.target.Restore(ctx, record, nil, ack)
	}
	content := &content{r: record.Reader}
	err := e.target.Restore(ctx, record, content, ack)
	// Closing takes in what was not read; the next record comes after that.
	return errors.Join(err, record.Reader.Close())
}

// content makes the end of a record's content stick: behind it, the SDK's reader
// would read into the next record.
type content struct {
	r   io.Reader
	err error
}

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.err = err
	return n, err
}

type errorList struct {
	mu   sync.Mutex
	errs []error
}

func (l *errorList) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

func (l *errorList) all() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]error(nil), l.errs...)
}

package plugin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// patience is how long the plugin may take to clean up when plakar is gone.
const patience = 4500 * time.Millisecond

var errGone = errors.New("the plugin was ended")

// life is the time for which plakar is there. Its calls end with it.
type life struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	calls sync.WaitGroup

	mu   sync.Mutex // serialises the beginning of a call with the end
	open []io.Closer
}

func newLife() *life {
	l := new(life)
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// add keeps what has to be closed when plakar is gone.
func (l *life) add(closer io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, closer)
}

// call runs f, unless plakar is gone, with a context that ends when it is.
func (l *life) call(ctx context.Context, f func(context.Context) error) error {
	l.mu.Lock()
	if l.ctx.Err() != nil {
		l.mu.Unlock()
		return context.Cause(l.ctx)
	}
	l.calls.Add(1)
	l.mu.Unlock()
	defer l.calls.Done()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })()
	return f(ctx)
}

// finish ends all calls and processes and closes what is open, for as long as
// patience lasts.
func (l *life) finish() {
	l.mu.Lock()
	l.end(errGone)
	open := l.open
	l.mu.Unlock()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		proc.KillAll()
		l.calls.Wait()
		for _, closer := range open {
			if err := closer.Close(); err != nil {
				slog.Warn("cleaning up: " + err.Error())
			}
		}
	}()
	select {
	case <-finished:
	case <-time.After(patience):
	}
}

// livingImporter is an Importer whose calls end with the life.
type livingImporter struct {
	*Importer
	life *life
}

// Ping implements importer.Importer.
func (i livingImporter) Ping(ctx context.Context) error { return i.life.call(ctx, i.Importer.Ping) }

// Import implements importer.Importer.
func (i livingImporter) Import(ctx context.Context, records chan<- *connectors.Record, results <-chan *connectors.Result) error {
	return i.life.call(ctx, func(ctx context.Context) error { return i.Importer.Import(ctx, records, results) })
}

// livingExporter is an Exporter whose calls end with the life.
type livingExporter struct {
	*Exporter
	life *life
}

// Ping implements exporter.Exporter.
func (e livingExporter) Ping(ctx context.Context) error { return e.life.call(ctx, e.Exporter.Ping) }

// Export implements exporter.Exporter.
func (e livingExporter) Export(ctx context.Context, records <-chan *connectors.Record, results chan<- *connectors.Result) error {
	return e.life.call(ctx, func(ctx context.Context) error { return e.Exporter.Export(ctx, records, results) })
}

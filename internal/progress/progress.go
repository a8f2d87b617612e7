package progress

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// Reporter writes a line for each running operation at an interval.
type Reporter struct {
	interval time.Duration
	running  sync.WaitGroup

	mu    sync.Mutex
	stops []context.CancelFunc // of all operations that were started
}

// New returns a Reporter; with an interval of 0 it writes nothing.
func New(interval time.Duration) *Reporter { return &Reporter{interval: interval} }

// Operation is something that takes long.
type Operation struct {
	Name string // "dump of database x"
	// Bytes is how many there are so far. An error means that nobody knows at the moment.
	Bytes func(context.Context) (int64, error)
	// Total is how many there will be, about; 0: not known. Of says of what: "%s on the
	// server", where %s is the total.
	Total int64
	Of    string
}

// Start reports on an operation until stop or Close is called or ctx ends. stop may be called
// more than once, and does not wait.
func (r *Reporter) Start(ctx context.Context, o Operation) (stop func()) {
	if r.interval <= 0 {
		return func() {}
	}
	ctx, stop = context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stops = append(r.stops, stop)
	r.running.Go(func() { o.report(ctx, r.interval) })
	return stop
}

// Close returns when nothing is reported any more. No operation may be started after it.
func (r *Reporter) Close() {
	r.mu.Lock()
	for _, stop := range r.stops {
		stop()
	}
	r.mu.Unlock()
	r.running.Wait()
}

func (o *Operation) report(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last, _ := o.Bytes(ctx)
	at := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, err := o.Bytes(ctx)
		switch passed := time.Since(at); {
		case ctx.Err() != nil:
			return
		case err != nil:
			slog.Info(fmt.Sprintf("progress: %s: running, how far is not known: %v", o.Name, err))
		default:
			slog.Info("progress: " + o.line(now, now-last, passed))
			last, at = now, at.Add(passed)
		}
	}
}

// line describes an operation that has got so many bytes, the last ones in a time.
func (o *Operation) line(bytes, more int64, passed time.Duration) string {
	rate := float64(max(more, 0)) / max(passed.Seconds(), 1e-9)
	text := fmt.Sprintf("%s: %s, %s/s", o.Name, size(bytes), size(int64(rate)))
	if o.Total > 0 {
		text += fmt.Sprintf(", %d %% of "+o.Of, bytes*100/o.Total, size(o.Total))
	}
	return text
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) } // #nosec G115 -- not negative

// Counter counts the bytes of an operation. The zero value is ready, and safe for concurrent
// use.
type Counter struct{ n atomic.Int64 }

// Add counts n bytes more.
func (c *Counter) Add(n int) { c.n.Add(int64(n)) }

// Bytes is Operation.Bytes.
func (c *Counter) Bytes(context.Context) (int64, error) { return c.n.Load(), nil }

// Reader counts what is read from r.
func (c *Counter) Reader(r io.Reader) io.Reader { return countedReader{r, c} }

type countedReader struct {
	io.Reader
	counter *Counter
}

// Read implements io.Reader.
func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.counter.Add(n)
	return n, err
}

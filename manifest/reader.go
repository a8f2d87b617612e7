package manifest

import (
	"context"
	"io"
	"os"
	"sync"
)

// Reader is the content of a manifest, which is written when its first byte is asked
// for.
type Reader struct {
	ctx   context.Context
	stop  context.CancelFunc
	write func(context.Context, io.Writer) error

	once sync.Once
	r    *io.PipeReader
	done chan struct{}
}

// NewReader returns what write writes. ctx ends it.
func NewReader(ctx context.Context, write func(context.Context, io.Writer) error) *Reader {
	ctx, stop := context.WithCancel(ctx)
	return &Reader{ctx: ctx, stop: stop, write: write, done: make(chan struct{})}
}

// Read implements io.Reader; the first call starts the function.
func (m *Reader) Read(p []byte) (int, error) {
	m.once.Do(func() {
		r, w := io.Pipe()
		m.r = r
		go func() {
			defer close(m.done)
			w.CloseWithError(m.write(m.ctx, w))
		}()
	})
	if m.r == nil {
		return 0, os.ErrClosed
	}
	return m.r.Read(p)
}

// Close stops the function and waits for it.
func (m *Reader) Close() error {
	m.stop()
	m.once.Do(func() { close(m.done) })
	if m.r != nil {
		_ = m.r.Close()
	}
	<-m.done
	return nil
}

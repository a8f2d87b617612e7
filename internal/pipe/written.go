package pipe

import (
	"context"
	"io"
	"os"
	"sync"
)

// Written is what a function writes, run when the first byte is asked for.
type Written struct {
	ctx   context.Context
	stop  context.CancelFunc
	write func(context.Context, io.Writer) error

	once sync.Once
	r    *io.PipeReader
	done chan struct{}
}

// NewWritten returns what write writes. ctx ends it.
func NewWritten(ctx context.Context, write func(context.Context, io.Writer) error) *Written {
	ctx, stop := context.WithCancel(ctx)
	return &Written{ctx: ctx, stop: stop, write: write, done: make(chan struct{})}
}

// Read implements io.Reader; the first call starts the function.
func (p *Written) Read(b []byte) (int, error) {
	p.once.Do(func() {
		r, w := io.Pipe()
		p.r = r
		go func() {
			defer close(p.done)
			w.CloseWithError(p.write(p.ctx, w))
		}()
	})
	if p.r == nil {
		return 0, os.ErrClosed
	}
	return p.r.Read(b)
}

// Close stops the function and waits for it.
func (p *Written) Close() error {
	p.stop()
	p.once.Do(func() { close(p.done) })
	if p.r != nil {
		_ = p.r.Close()
	}
	<-p.done
	return nil
}

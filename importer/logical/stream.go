package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// turn is the output of a process that takes one of the slots while it runs.
type turn struct {
	*proc.Stream
	what  string // for messages
	slots chan struct{}

	opening sync.Once
	opened  chan struct{} // closed when plakar reads or closes it

	mu    sync.Mutex
	taken bool
}

func (t *turn) take(ctx context.Context) error {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = true
	return nil
}

func (t *turn) giveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		<-t.slots
		t.taken = false
	}
}

// open notes that plakar asked for the output, or that it never will.
func (t *turn) open() { t.opening.Do(func() { close(t.opened) }) }

func (t *turn) Read(p []byte) (int, error) {
	t.open()
	n, err := t.Stream.Read(p)
	if err == nil {
		return n, nil
	}
	t.giveBack()
	if !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", t.what, err)
	}
	return n, err
}

func (t *turn) Close() error {
	defer t.giveBack()
	t.open()
	return t.Stream.Close()
}

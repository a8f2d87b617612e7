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

	// quick: plakar has soon read it, so that what comes after it may begin ahead.
	quick bool
	// joins: it holds up nobody whom the turn before it does not hold up already.
	joins bool

	// after, if not nil, comes before it in plakar's order, and its process ends before
	// this one's starts.
	after *turn

	starting, opening, ending sync.Once

	opened chan struct{} // closed when plakar reads or closes it
	ended  chan struct{} // closed when the process has ended, or will not be started

	mu    sync.Mutex
	taken bool
}

func newTurn(what string, slots chan struct{}) *turn {
	return &turn{what: what, slots: slots, opened: make(chan struct{}), ended: make(chan struct{})}
}

// take waits until the process may start.
func (t *turn) take(ctx context.Context) error {
	if t.after != nil {
		select {
		case <-t.after.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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

// begin starts the process, which keeps its slot until it has ended: plakar may read
// what is left of the output later.
func (t *turn) begin() {
	t.starting.Do(func() {
		t.Start()
		exited := t.Exited()
		if exited == nil { // it could not be started
			t.end()
			return
		}
		go func() {
			<-exited // at the latest when the run ends
			t.end()
		}()
	})
}

// end gives the slot back.
func (t *turn) end() {
	t.ending.Do(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.taken {
			<-t.slots
		}
		close(t.ended)
	})
}

// open notes that plakar asked for the output, or that it never will.
func (t *turn) open() { t.opening.Do(func() { close(t.opened) }) }

// Read implements io.Reader.
func (t *turn) Read(p []byte) (int, error) {
	t.open()
	t.begin()
	n, err := t.Stream.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", t.what, err)
	}
	return n, err
}

// Close implements io.Closer.
func (t *turn) Close() error {
	defer t.end() // begin may never be called
	t.open()
	return t.Stream.Close()
}

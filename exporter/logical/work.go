package logical

import (
	"context"
	"errors"
	"sync"
	"time"
)

// unwindTime is how long Close waits for restores that it ended: a little longer than
// undoing takes.
const unwindTime = undoTime + time.Second

// errClosed ends what is under way when the exporter is closed.
var errClosed = errors.New("the restore was ended")

// work is what an Exporter has under way. Close ends it and waits for it, so that what
// has to be undone is, and no file is removed that is still read.
type work struct {
	busy   sync.RWMutex // read: something is under way
	ending context.Context
	end    context.CancelCauseFunc
}

func newWork() *work {
	w := &work{}
	w.ending, w.end = context.WithCancelCause(context.Background())
	return w
}

// begin marks the beginning of something that Close has to wait for. It may be nested.
func (w *work) begin() (done func()) {
	w.busy.RLock()
	return w.busy.RUnlock
}

// enter is begin for what undoes itself when the context that it gives is cancelled, as
// Close does.
func (w *work) enter(ctx context.Context) (_ context.Context, done func()) {
	ended := w.begin()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.ending, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		ended()
	}
}

// close ends what is under way, and returns when all of it has come to its end.
func (w *work) close() error {
	w.end(errClosed)
	// Never a waiting writer, which would keep nested work from its beginning.
	for deadline := time.Now().Add(unwindTime); !w.busy.TryLock(); time.Sleep(pollTime) {
		if time.Now().After(deadline) {
			return errors.New("a restore did not come to its end in time")
		}
	}
	w.busy.Unlock()
	return nil
}

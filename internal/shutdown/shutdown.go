// Package shutdown bounds how long ending takes.
//
// plakar kills its plugin at Ctrl-C. The worker behind it then has Budget to leave
// nothing of the run on the machine and on the server. A Lifetime is the time for which
// plakar is there: the contexts of its calls end with it, and what has to be done all the
// same uses CleanupContext, which ends when the worker exits. So no part needs a limit of
// its own beyond those here.
package shutdown

import (
	"context"
	"sync"
	"time"
)

// The steps of a shutdown follow one another; a test adds them up.
const (
	// Budget is how long the worker may take to end what it began, once plakar is gone.
	// docs/faults.md promises 5 s.
	Budget = 4500 * time.Millisecond

	// StreamTimeout is how long a call that waits for plakar may do so.
	StreamTimeout = 200 * time.Millisecond
	// TerminateTimeout is how long a process has to end after SIGTERM, before SIGKILL.
	TerminateTimeout = 2 * time.Second
	// RollbackTimeout is how long what was begun on a server may take to be undone.
	RollbackTimeout = 1700 * time.Millisecond
	// CloseTimeout is how long files and connections may take to be closed.
	CloseTimeout = 500 * time.Millisecond
)

// cleanupLimit is how long a cleanup may take while plakar waits for it: what others keep
// from being undone for longer is named in the error.
const cleanupLimit = 20 * time.Second

// Lifetime is the time for which plakar is there.
type Lifetime struct {
	mu    sync.Mutex
	calls map[*call]struct{} // that run
	ended error              // the cause; nil before the end

	over context.Context // ends Budget after Exit
	stop context.CancelFunc
}

// call is a running call.
type call struct{ cancel context.CancelCauseFunc }

// NewLifetime returns a Lifetime that has not ended.
func NewLifetime() *Lifetime {
	l := &Lifetime{calls: make(map[*call]struct{})}
	l.over, l.stop = context.WithCancel(context.Background()) // #nosec G118 -- Exit calls it
	return l
}

// Exit is End for a worker that exits: from now on there is Budget.
func (l *Lifetime) Exit(cause error) {
	l.End(cause)
	time.AfterFunc(Budget, l.stop)
}

// End ends the contexts of all calls with cause, before it returns. Only the first call
// counts.
func (l *Lifetime) End(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return
	}
	l.ended = cause
	for c := range l.calls {
		c.cancel(cause)
	}
}

// Over is closed when Budget has passed since Exit.
func (l *Lifetime) Over() <-chan struct{} { return l.over.Done() }

type key struct{}

// CallContext returns ctx for a call of plakar, which ends with the lifetime as well. The
// function that it returns marks the end of the call.
func (l *Lifetime) CallContext(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, key{}, l))
	c := &call{cancel}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		cancel(l.ended)
	}
	l.calls[c] = struct{}{}
	return ctx, func(cause error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.calls, c)
		cancel(cause)
	}
}

// CleanupContext returns a context for what has to be done although ctx may have ended.
// It lasts 20 s at the most, and no longer than the worker itself.
func CleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	l, ok := ctx.Value(key{}).(*Lifetime)
	if !ok {
		return cleanup, cancel
	}
	stop := context.AfterFunc(l.over, cancel)
	return cleanup, func() {
		stop()
		cancel()
	}
}

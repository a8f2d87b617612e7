package logical

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// errStopped ends a restore with exit_on_error after the error itself has been
// acknowledged.
var errStopped = errors.New("exit_on_error: stopped at the first error, the rest was not restored")

// task restores something, and acknowledges it with the outcome that it returns.
type task func(context.Context) error

// scheduler decides when tasks are run: at once, later, or in the background. A task that
// has to wait is not run at all when the restore has been cancelled: what it waited for has
// not come.
type scheduler struct {
	exitOnError bool
	connections *semaphore.Weighted // of tasks in the background

	deferred   []task
	background sync.WaitGroup
	stopped    atomic.Bool // a task in the background failed, and exitOnError is set
}

// newScheduler returns a scheduler for databases that are restored with jobs connections
// each. As one of them is finished, the next one can be begun.
func newScheduler(jobs int, exitOnError bool) *scheduler {
	return &scheduler{exitOnError: exitOnError, connections: semaphore.NewWeighted(2 * int64(jobs))}
}

// run runs a task now.
func (s *scheduler) run(ctx context.Context, t task) error { return s.errIfExitOnError(t(ctx)) }

// later keeps a task for runDeferred.
func (s *scheduler) later(t task) { s.deferred = append(s.deferred, t) }

// runDeferred runs what was kept. After an error the rest is dropped.
func (s *scheduler) runDeferred(ctx context.Context) error {
	deferred := s.deferred
	s.deferred = nil
	for _, t := range deferred {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.run(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// start runs a task in the background as soon as connections for it are free, until which
// it waits. An error is one of not starting it.
func (s *scheduler) start(ctx context.Context, connections int, t task) error {
	if err := s.acquire(ctx, connections); err != nil {
		return err
	}
	s.background.Go(func() {
		defer s.connections.Release(int64(connections))
		s.runInBackground(ctx, t)
	})
	return nil
}

// startAfter runs a task in the background when wait has returned and connections are
// free. It does not wait itself: dropped is called with the reason if the task is not run.
func (s *scheduler) startAfter(ctx context.Context, wait func(), connections int, t task, dropped func(error)) {
	s.background.Go(func() {
		wait()
		if err := s.acquire(ctx, connections); err != nil {
			dropped(err)
			return
		}
		defer s.connections.Release(int64(connections))
		s.runInBackground(ctx, t)
	})
}

// acquire waits for connections, unless the restore is to stop.
func (s *scheduler) acquire(ctx context.Context, connections int) error {
	if err := s.connections.Acquire(ctx, int64(connections)); err != nil {
		return context.Cause(ctx)
	}
	err := ctx.Err()
	switch {
	case err != nil:
		err = context.Cause(ctx)
	case s.stopped.Load():
		err = errStopped
	default:
		return nil
	}
	s.connections.Release(int64(connections))
	return err
}

func (s *scheduler) runInBackground(ctx context.Context, t task) {
	if s.run(ctx, t) != nil {
		s.stopped.Store(true)
	}
}

// abort drops what was kept, and returns when what runs in the background has ended, whose
// context has.
func (s *scheduler) abort() {
	s.deferred = nil
	s.stopped.Store(true)
	s.wait()
}

// wait returns when nothing runs in the background any more.
func (s *scheduler) wait() { s.background.Wait() }

// errIfExitOnError is errStopped if there is an error and it is one to stop at.
func (s *scheduler) errIfExitOnError(err error) error {
	if err != nil && s.exitOnError {
		return errStopped
	}
	return nil
}

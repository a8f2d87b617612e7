package shutdown

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStepsFitIntoTheBudget(t *testing.T) {
	if sum := StreamTimeout + TerminateTimeout + RollbackTimeout + CloseTimeout; sum >= Budget {
		t.Errorf("the steps take up to %s of %s", sum, Budget)
	}
	if Budget >= 5*time.Second {
		t.Errorf("the budget is %s, where docs/faults.md promises 5 s", Budget)
	}
}

func TestCallsEndWithTheLifetime(t *testing.T) {
	l := NewLifetime()
	ctx, cancel := l.CallContext(t.Context())
	defer cancel(nil)
	gone := errors.New("gone")
	if ctx.Err() != nil {
		t.Fatalf("ended before its end: %v", ctx.Err())
	}
	l.End(gone)
	l.End(errors.New("a later cause"))
	if err := context.Cause(ctx); !errors.Is(err, gone) {
		t.Errorf("ended by %v", err)
	}
	late, stop := l.CallContext(t.Context())
	defer stop(nil)
	<-late.Done()
}

// A cleanup goes on when the call has been cancelled, and ends when the worker does.
func TestCleanupContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLifetime()
		ctx, cancel := l.CallContext(t.Context())
		cleanup, stop := CleanupContext(ctx)
		defer stop()
		cancel(errors.New("cancelled"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if cleanup.Err() != nil {
			t.Fatalf("ended with the call: %v", cleanup.Err())
		}
		l.End(errors.New("closed"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if cleanup.Err() != nil {
			t.Fatalf("ended while plakar waits: %v", cleanup.Err())
		}
		l.Exit(errors.New("gone"))
		time.Sleep(Budget - time.Millisecond)
		synctest.Wait()
		if cleanup.Err() != nil {
			t.Fatalf("ended before the budget was used: %v", cleanup.Err())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if cleanup.Err() == nil {
			t.Error("goes on after the worker")
		}

		alone, stopAlone := CleanupContext(t.Context())
		defer stopAlone()
		time.Sleep(cleanupLimit)
		synctest.Wait()
		if alone.Err() == nil {
			t.Error("without a lifetime it has no end")
		}
	})
}

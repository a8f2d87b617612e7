package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
)

// dumpStream is the content of a record: the output of a process that takes one of
// the slots while it runs. It is the one place of this package that knows how the
// content ended.
type dumpStream struct {
	process *proc.Stream
	label   string // for messages
	slots   chan struct{}

	// small: plakar has soon read it, so that what comes after it may start ahead.
	small bool
	// sharesSnapshot: it holds up nobody whom the stream before it does not hold up already.
	sharesSnapshot bool

	// startAfter, if not nil, comes before it in plakar's order, and its process ends
	// before this one's starts.
	startAfter *dumpStream

	// snapshot, if not nil, is what the process dumps. The end is io.EOF only if it was
	// held until then. ctx is for the questions to its session.
	snapshot *snapshotSession
	ctx      context.Context

	// dump is what the output belongs to, nil for the globals. isDropped, if not nil,
	// asks the server whether its database is gone.
	dump      *dump
	isDropped func(context.Context) bool

	progress  *progress.Reporter
	operation progress.Operation // while the process runs
	read      progress.Counter   // of its output

	starting, requesting, releasing, parting sync.Once

	requested chan struct{} // closed when plakar reads or closes it
	exited    chan struct{} // closed when the process has ended, or will not be started

	mu       sync.Mutex
	acquired bool // a slot

	begun atomic.Bool // something was read

	reading sync.Mutex // guards what follows
	end     error      // io.EOF, or a failure; stays
}

func newDumpStream(ctx context.Context, label string, slots chan struct{}) *dumpStream {
	return &dumpStream{ctx: ctx, label: label, slots: slots, progress: progress.New(0), requested: make(chan struct{}), exited: make(chan struct{})}
}

// acquireSlot waits until the process may start.
func (s *dumpStream) acquireSlot(ctx context.Context) error {
	if s.startAfter != nil {
		select {
		case <-s.startAfter.exited:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acquired = true
	return nil
}

// start starts the process, which keeps its slot until it has ended: plakar may read
// what is left of the output later.
func (s *dumpStream) start() {
	s.starting.Do(func() {
		s.process.Start()
		exited := s.process.Exited()
		if exited == nil { // it could not be started
			s.releaseSlot()
			return
		}
		stop := s.progress.Start(s.ctx, s.operation)
		go func() {
			<-exited // at the latest when the run ends
			stop()
			s.releaseSlot()
		}()
	})
}

func (s *dumpStream) releaseSlot() {
	s.releasing.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.acquired {
			<-s.slots
		}
		close(s.exited)
	})
}

// request notes that plakar asked for the output, or that it never will.
func (s *dumpStream) request() { s.requesting.Do(func() { close(s.requested) }) }

// Read implements io.Reader.
func (s *dumpStream) Read(p []byte) (int, error) {
	s.request()
	s.start()
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.end != nil {
		return 0, s.end
	}
	n, err := s.process.Read(p)
	s.read.Add(n)
	if s.snapshot != nil && !s.begun.Load() {
		// Nothing but the rows and the definitions makes a part another: what did not
		// change is not stored again. A read fills p, as far as there is something.
		dumparchive.ClearTimestamp(p[:n])
	}
	if n > 0 {
		s.begun.Store(true)
		if s.snapshot != nil {
			s.snapshot.read.Store(true)
		}
	}
	if err != nil {
		s.end = s.result(err)
		s.leaveSnapshot()
	}
	return n, s.end
}

// result is the end of the content after that of the process' output.
func (s *dumpStream) result(err error) error {
	if errors.Is(err, io.EOF) {
		if s.snapshot == nil {
			return io.EOF
		}
		if err = s.snapshot.verifyAlive(s.ctx); err == nil {
			return io.EOF
		}
		return fmt.Errorf("%s: %w", s.label, err)
	}
	if !s.hasContent() && s.isDropped != nil && s.ctx.Err() == nil && s.isDropped(s.ctx) {
		return io.EOF
	}
	err = fmt.Errorf("%s: %w", s.label, err)
	if s.snapshot != nil {
		err = s.snapshot.addWaiters(s.ctx, err)
	}
	return err
}

// hasContent reports whether something was read, of this part of a dump or of another one: then
// a database that is gone leaves a dump that is not complete, and not one of nothing.
func (s *dumpStream) hasContent() bool {
	return s.begun.Load() || s.snapshot != nil && s.snapshot.read.Load()
}

// Close implements io.Closer: it stops the process and waits for it.
func (s *dumpStream) Close() error {
	s.request()
	err := s.process.Close()
	s.releaseSlot() // start may never be called
	s.leaveSnapshot()
	return err
}

func (s *dumpStream) leaveSnapshot() {
	if s.snapshot != nil {
		s.parting.Do(func() { s.snapshot.partEnded(s.ctx) })
	}
}

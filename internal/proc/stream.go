package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Stream is the standard output of a process that is started by the first Read, or
// ahead of it by Start.
// The end of the output is io.EOF only if the process ended with status 0,
// otherwise its error, and stays that. Close before the end stops the process
// and waits for it. Read and Close may be called from different goroutines.
type Stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	build  func(context.Context) (Command, error)

	once   sync.Once
	mu     sync.Mutex // serialises Close with the start
	proc   *process
	ahead  *readAhead
	closed bool
	err    error // why it could not start, or how it ended
}

// NewStream returns a Stream of the command that build returns; build is called
// at the first Read, so that what it puts in (a token) is fresh.
func NewStream(ctx context.Context, build func(context.Context) (Command, error)) *Stream {
	ctx, cancel := context.WithCancel(ctx)
	return &Stream{ctx: ctx, cancel: cancel, build: build}
}

// Read reads the process' standard output and fills p as far as it can: what
// one Read returns is sent to plakar as one message.
func (s *Stream) Read(p []byte) (int, error) {
	s.Start()
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.ahead.Read(p)
	if err == nil {
		return n, nil
	}
	<-s.proc.done
	switch {
	case s.proc.err != nil: // the cause of whatever happened to the pipe
		s.err = s.proc.err
	case errors.Is(err, io.EOF):
		s.err = io.EOF
	default:
		s.err = fmt.Errorf("reading the output of %s: %w", s.proc.name, err)
	}
	s.cancel()
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}

// Start starts the process, which goes on until the first few megabytes of its
// output wait to be read. Read returns the error if it cannot be started.
func (s *Stream) Start() {
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil {
			s.err = s.start()
		}
	})
}

func (s *Stream) start() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	c, err := s.build(s.ctx)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.Name(), err)
	}
	SetPipeSize(w)
	s.proc, err = start(s.ctx, c, w, nil)
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, r.Close())
	}
	s.ahead = newReadAhead(r)
	return nil
}

// Exited returns a channel that is closed when the process that Start or Read started
// has ended, though some of its output may still wait to be read; nil if none was
// started.
func (s *Stream) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return s.proc.done
}

// Stderr is what the process printed beside its output, shortened.
func (s *Stream) Stderr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return ""
	}
	return s.proc.stderr.String()
}

// Close stops the process unless it has ended, and waits for it.
func (s *Stream) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		if s.err == nil {
			s.err = os.ErrClosed
		}
		return nil
	}
	<-s.proc.done
	if s.closed {
		return nil
	}
	s.closed = true
	return s.ahead.Close()
}

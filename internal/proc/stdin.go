package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// stdinBlock is how much a process is given at once, in bytes.
const stdinBlock = 256 << 10

// stdinReader is the input of a process, which it stops when reading fails: the process
// would take the end of its input for the end of the data.
type stdinReader struct {
	r      io.Reader
	cancel context.CancelCauseFunc

	mu  sync.Mutex
	err error
}

func (s *stdinReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading the data to restore: %w", err)
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.cancel(err)
	}
	return n, err
}

// WriteTo implements io.WriterTo, in large blocks.
func (s *stdinReader) WriteTo(w io.Writer) (int64, error) {
	if file, ok := w.(*os.File); ok {
		SetPipeSize(file)
	}
	// Without their other methods, which io.CopyBuffer would use in place of the buffer.
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{s}, make([]byte, stdinBlock))
}

func (s *stdinReader) failure() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

package manifest

import "context"

const (
	chunkSize = 64 << 10
	// Chunks that a database collected ahead may wait with.
	chunksAhead = 16
)

// stream is a bounded pipe: one side appends, the other takes whole chunks in
// order until the stream is closed. What the appending side left beside it may be read
// after that.
type stream struct {
	chunks  chan []byte
	pending []byte
}

func newStream() *stream {
	return &stream{chunks: make(chan []byte, chunksAhead)}
}

// write appends a copy, waiting for the other side when it is too far ahead.
func (s *stream) write(ctx context.Context, parts ...[]byte) error {
	for _, part := range parts {
		s.pending = append(s.pending, part...)
	}
	if len(s.pending) < chunkSize {
		return nil
	}
	return s.flush(ctx)
}

func (s *stream) flush(ctx context.Context) error {
	select {
	case s.chunks <- s.pending:
		s.pending = make([]byte, 0, chunkSize+chunkSize/4)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stream) close() { close(s.chunks) }

// drain passes every chunk to f until the stream is closed.
func (s *stream) drain(ctx context.Context, f func([]byte) error) error {
	for {
		select {
		case chunk, ok := <-s.chunks:
			if !ok {
				return ctx.Err()
			}
			if err := f(chunk); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

package wal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
)

func newText(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// zeros is what a segment that has not ended is filled up with.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// deliver hands size bytes from source to plakar: give is called as soon as they are in the
// spool or, where that has no room, with the first of them, and deliver returns when plakar
// has taken the rest.
func (r *run) deliver(source io.Reader, size uint64, give func(content io.ReadCloser, whole bool) error) error {
	source = io.LimitReader(source, int64(size))                     // #nosec G115 -- a segment's size
	held, err := r.spool.Put(r.ctx, source, int64(size), io.Discard) // #nosec G115 -- as above
	if err != nil {
		return r.cause(err)
	}
	if uint64(held.Size) == size { // #nosec G115 -- not negative
		return give(held, true)
	}
	reader, writer := io.Pipe()
	stop := context.AfterFunc(r.ctx, func() { _ = writer.CloseWithError(plugin.ErrAborted) })
	defer stop()
	if err := give(&heldAndRest{Reader: io.MultiReader(held, reader), held: held, rest: reader}, false); err != nil {
		return err
	}
	n, err := io.Copy(writer, source)
	if errors.Is(err, io.ErrClosedPipe) && r.ctx.Err() == nil {
		// plakar has it already, or its store takes no more: plugin.Source says which.
		_, err = io.Copy(io.Discard, source)
		return r.cause(err)
	}
	if err == nil && uint64(held.Size)+uint64(n) != size { // #nosec G115 -- not negative
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		_ = writer.CloseWithError(plugin.ErrAborted)
		return r.cause(err)
	}
	return writer.Close()
}

// cause is why the run was ended, if it was, else err.
func (r *run) cause(err error) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return err
}

// heldAndRest is a first part and the pipe with the rest.
type heldAndRest struct {
	io.Reader
	held *spool.Entry
	rest io.Closer
}

// Close implements io.Closer.
func (h *heldAndRest) Close() error { return errors.Join(h.held.Close(), h.rest.Close()) }

// readAll reads a beginning of a segment.
func readAll(source io.Reader, size uint64) ([]byte, error) {
	content := bytes.NewBuffer(make([]byte, 0, size))
	n, err := io.Copy(content, io.LimitReader(source, int64(size))) // #nosec G115 -- a segment's size
	if err == nil && uint64(n) != size {                            // #nosec G115 -- not negative
		err = io.ErrUnexpectedEOF
	}
	return content.Bytes(), err
}

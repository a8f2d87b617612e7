package physical

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
)

// The server takes the size of a control file that is a symbolic link for that of the
// file, and writes this into the backup manifest as well.
// Source: PG_CONTROL_FILE_SIZE in src/include/catalog/pg_control.h; the same on every platform.
const (
	controlFile = "global/pg_control"
	controlSize = 8192 // bytes
)

// file sends a regular file, or only checks it if it has no place in the snapshot.
func (s *recordEmitter) file(p destination, header *tar.Header, content io.Reader) error {
	if err := s.check.checkDuplicate(p.name); err != nil {
		return err
	}
	if p.name == controlFile && header.Size != controlSize {
		return fmt.Errorf("the server sent %d bytes of %q in place of %d\nhint: if it is a symbolic link, stop the server and replace it by what it leads to",
			header.Size, p.name, controlSize)
	}
	sums := newChecksums()
	if p.path != "" && s.spool.Fits(header.Size) {
		sums.withIdentity(s.hash, s.systemID)
	}
	var err error
	if p.path == "" {
		_, err = io.Copy(sums, content)
	} else {
		err = s.content(p.path, header, content, sums)
	}
	if err != nil {
		return fmt.Errorf("backing up %q: %w", p.name, err)
	}
	s.config = slices.DeleteFunc(s.config, func(name string) bool { return name == p.name })
	return s.check.add(p.name, sums.file())
}

// content sends the file at pathname: as soon as it is in the spool, or while it
// is read.
func (s *recordEmitter) content(pathname string, header *tar.Header, content io.Reader, sums *checksums) error {
	held, err := s.spool.Put(s.ctx, content, header.Size, sums)
	if err != nil {
		return err
	}
	if held.Size == header.Size {
		return s.emit(s.record(pathname, 0, header, sums.identity()).with(held))
	}
	return s.streamThrough(pathname, header, held, io.TeeReader(content, sums))
}

// streamThrough sends a file of which only the first part is held. It returns when the rest
// has been read, by plakar or else to the end without it.
func (s *recordEmitter) streamThrough(pathname string, header *tar.Header, held *spool.Entry, rest io.Reader) error {
	r, w := io.Pipe()
	stop := context.AfterFunc(s.ctx, func() { _ = w.CloseWithError(plugin.ErrAborted) })
	defer stop()
	if err := s.emit(s.record(pathname, 0, header, uniqueIdentity()).with(newHeadAndRest(held, r))); err != nil {
		return err
	}
	_, err := io.CopyBuffer(writerOnly{w}, rest, s.block)
	if errors.Is(err, io.ErrClosedPipe) {
		// Not wanted, or not any more: see plugin.Source on which of them it is.
		_, err = io.CopyBuffer(writerOnly{io.Discard}, rest, s.block)
	}
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if err != nil {
		_ = w.CloseWithError(plugin.ErrAborted)
		return err
	}
	return w.Close()
}

// manifest sends the backup manifest and compares all files with it. Its owner is
// that of the data directory: pg_basebackup, which adds it, does not know it.
func (s *recordEmitter) manifest(size int64, content io.Reader) error {
	header := s.headerFor(s.mode(0o640), time.Now())
	header.Size = size
	r, w := io.Pipe()
	compared := make(chan error, 1)
	go func() {
		err := backupmanifest.Read(r, s.check)
		_ = r.CloseWithError(err)
		compared <- err
	}()
	err := s.streamThrough("/"+replication.ManifestName, header, nil, io.TeeReader(content, w))
	_ = w.CloseWithError(err)
	if failed := <-compared; err == nil {
		err = failed
	}
	return err
}

// writerOnly hides other methods, which would make io.CopyBuffer ignore its buffer.
type writerOnly struct{ io.Writer }

// headAndRest is a held first part and the pipe with the rest.
type headAndRest struct {
	io.Reader
	held *spool.Entry // or nil
	rest io.Closer
}

func newHeadAndRest(held *spool.Entry, rest *io.PipeReader) *headAndRest {
	if held == nil {
		return &headAndRest{Reader: rest, rest: rest}
	}
	return &headAndRest{Reader: io.MultiReader(held, rest), held: held, rest: rest}
}

// Close implements io.Closer.
func (j *headAndRest) Close() error {
	var err error
	if j.held != nil {
		err = j.held.Close()
	}
	return errors.Join(err, j.rest.Close())
}

// Package spool keeps the content of files from when the server sends it to
// when a worker of plakar reads it, so that several can be in its hands: small
// files in memory, large ones in temporary files.
//
// Both are bounded. Put waits for room, which readers make as they go: so every
// file held must be handed to a reader before the next is held, or Put may wait
// for ever. A file that can never fit, or a disk that fills up, leaves a rest that the
// caller has to pass on by itself.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// Sizes in bytes.
const (
	memoryTotal = 32 << 20 // of all files held in memory
	memoryFile  = 8 << 20  // of one of them
	blockSize   = 1 << 20  // of reads from the server, writes to disk
)

// Spool is safe for concurrent use by readers; files are held one after another.
type Spool struct {
	dir      *tempfile.Dir
	memory   *semaphore.Weighted
	disk     *semaphore.Weighted
	diskSize int64

	blocks [2][]byte // for copying to disk
	warned sync.Once
}

// New returns a Spool with temporary files in dir, of diskSize bytes at the most.
func New(dir *tempfile.Dir, diskSize uint64) *Spool {
	size := int64(min(diskSize, math.MaxInt64)) // #nosec G115 -- it fits now
	return &Spool{
		dir:    dir,
		memory: semaphore.NewWeighted(memoryTotal), disk: semaphore.NewWeighted(size), diskSize: size,
	}
}

// CheckDir refuses a directory for temporary files, which the option spool_dir names, that is none;
// "" is the system's. One that is full or read-only is done without.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("option \"spool_dir\": %q is not a directory: use an existing one with room for spool_size", dir)
	}
	return nil
}

// Fits reports whether a file of size bytes can be held at all.
func (s *Spool) Fits(size int64) bool { return size <= memoryFile || size <= s.diskSize }

// Put reads a file of size bytes from r and keeps it, or as much of it as it can:
// the rest is left in r. The result has to be read or closed. An error is one of
// r or of ctx; nothing is kept then.
func (s *Spool) Put(ctx context.Context, r io.Reader, size int64) (*Entry, error) {
	switch {
	case size <= memoryFile:
		return s.inMemory(ctx, r, size)
	case size <= s.diskSize:
		return s.onDisk(ctx, r, size)
	default:
		return &Entry{spool: s}, nil
	}
}

func (s *Spool) inMemory(ctx context.Context, r io.Reader, size int64) (*Entry, error) {
	if err := s.memory.Acquire(ctx, size); err != nil {
		return nil, err
	}
	e := &Entry{spool: s, Size: size, memory: make([]byte, size), reserved: size}
	if _, err := io.ReadFull(r, e.memory); err != nil {
		return nil, errors.Join(endedEarly(err), e.Close())
	}
	return e, nil
}

func (s *Spool) onDisk(ctx context.Context, r io.Reader, size int64) (*Entry, error) {
	e := &Entry{spool: s}
	file, err := s.dir.Create()
	if err != nil {
		s.warn(err)
		return e, nil
	}
	e.file = file
	if err := s.store(ctx, e, r, size); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// store reads up to size bytes from r into e, whose file takes one block while the next
// one is read. When the file takes no more, what was read stays in memory. An error is
// one of r or of ctx.
func (s *Spool) store(ctx context.Context, e *Entry, r io.Reader, size int64) error {
	if s.blocks[0] == nil {
		s.blocks = [2][]byte{make([]byte, blockSize), make([]byte, blockSize)}
	}
	var before pendingWrite
	for n := 0; e.Size < size; n++ {
		block := s.blocks[n%2][:min(blockSize, size-e.Size)]
		err := s.disk.Acquire(ctx, int64(len(block)))
		if err == nil {
			e.reserved += int64(len(block))
			_, err = io.ReadFull(r, block)
		}
		failed := before.end(e)
		switch {
		case err != nil:
			return endedEarly(err)
		case failed != nil:
			s.warn(failed)
			e.memory = append(e.memory, block...)
			e.Size += int64(len(block))
			return nil
		}
		e.Size += int64(len(block))
		before = write(e.file, block)
	}
	if err := before.end(e); err != nil {
		s.warn(err)
	}
	return nil
}

// pendingWrite is a block that is being written; the zero value is none.
type pendingWrite struct {
	block []byte
	ended chan error
	n     *int // of its bytes, when it has ended
}

func write(w io.Writer, block []byte) pendingWrite {
	p := pendingWrite{block: block, ended: make(chan error, 1), n: new(int)}
	go func() {
		n, err := w.Write(block)
		*p.n = n
		p.ended <- err
	}()
	return p
}

// end waits for the end. What could not be written goes to e's memory.
func (p pendingWrite) end(e *Entry) error {
	if p.ended == nil {
		return nil
	}
	err := <-p.ended
	e.stored += int64(*p.n)
	if err != nil {
		e.memory = bytes.Clone(p.block[*p.n:])
	}
	return err
}

func (s *Spool) warn(err error) {
	s.warned.Do(func() {
		slog.Warn(fmt.Sprintf("large files now go to plakar one after the other and are read anew by every backup: %v (see spool_dir)", err))
	})
}

// endedEarly is err when the announced content ended early.
func endedEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

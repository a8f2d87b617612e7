// Package spool keeps the content of files from when the server sends it to
// when a worker of plakar reads it, so that several can be in its hands: small
// files in memory, large ones in blocks of one temporary file, and where memory is free,
// of one file in memory.
//
// All is bounded. Put waits for room, which readers make as they go: so every
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
	memoryTotal = 32 << 20 // of all files held in memory of our own
	memoryFile  = 8 << 20  // of one of them
	blockSize   = 1 << 20  // of reads from the server, and of the files' blocks
)

// Spool is safe for concurrent use by readers; files are held one after another.
type Spool struct {
	small  *semaphore.Weighted // bytes
	size   int64               // of all large files, in bytes
	room   *semaphore.Weighted // blocks for them
	blocks *blocks

	buffers [2][]byte // for copying to a file
	warned  sync.Once
}

// New returns a Spool for large files of size bytes in all. Up to inMemory of these are
// in memory that is no part of this process, where the system has that; the others are in dir.
func New(dir *tempfile.Dir, size, inMemory uint64) *Spool {
	bytes := int64(min(size, math.MaxInt64-blockSize)) // #nosec G115 -- it fits now
	all := (bytes + blockSize - 1) / blockSize
	return &Spool{
		small: semaphore.NewWeighted(memoryTotal),
		size:  bytes, room: semaphore.NewWeighted(all),
		blocks: newBlocks(dir, int64(min(inMemory/blockSize, uint64(all)))), // #nosec G115 -- it fits
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

// Memory is how much of a Spool may be in memory: a quarter of what is free when the run begins, and
// nothing if the user has named a directory.
func Memory(dir string) uint64 {
	if dir != "" {
		return 0
	}
	return freeMemory() / 4
}

// Fits reports whether a file of size bytes can be held at all.
func (s *Spool) Fits(size int64) bool { return size <= memoryFile || size <= s.size }

// Put reads a file of size bytes from r and keeps it, or as much of it as it can:
// the rest is left in r. The result has to be read or closed. An error is one of
// r or of ctx; nothing is kept then. sums, which must not fail, has got all that was read when
// Put returns: what a large file costs there is paid beside reading.
func (s *Spool) Put(ctx context.Context, r io.Reader, size int64, sums io.Writer) (*Entry, error) {
	switch {
	case size <= memoryFile:
		return s.putSmall(ctx, r, size, sums)
	case size <= s.size:
		e := &Entry{spool: s}
		if err := s.putLarge(ctx, e, r, size, sums); err != nil {
			return nil, errors.Join(err, e.Close())
		}
		return e, nil
	default:
		return &Entry{spool: s}, nil
	}
}

func (s *Spool) putSmall(ctx context.Context, r io.Reader, size int64, sums io.Writer) (*Entry, error) {
	if err := s.small.Acquire(ctx, size); err != nil {
		return nil, err
	}
	e := &Entry{spool: s, Size: size, memory: make([]byte, size), small: true}
	if _, err := io.ReadFull(r, e.memory); err != nil {
		return nil, errors.Join(endedEarly(err), e.Close())
	}
	_, _ = sums.Write(e.memory)
	return e, nil
}

// putLarge reads up to size bytes from r into e. One block is summed and written while the next
// one is read. When a file takes no more, what was read stays in memory. An error is
// one of r or of ctx.
func (s *Spool) putLarge(ctx context.Context, e *Entry, r io.Reader, size int64, sums io.Writer) error {
	if s.buffers[0] == nil {
		s.buffers = [2][]byte{make([]byte, blockSize), make([]byte, blockSize)}
	}
	var before pendingWrite
	for n := 0; e.Size < size; n++ {
		buffer := s.buffers[n%2][:min(blockSize, size-e.Size)]
		to, noBlock, err := s.read(ctx, e, r, buffer)
		failed := before.end(e)
		switch {
		case err != nil:
			return endedEarly(err)
		case failed != nil && noBlock == nil: // this one was read, the one before it was not written
			_, _ = sums.Write(buffer)
			e.memory = append(e.memory, buffer...)
			e.Size += int64(len(buffer))
		}
		if failed = errors.Join(failed, noBlock); failed != nil {
			s.warn(failed)
			return nil
		}
		e.Size += int64(len(buffer))
		before = write(to, buffer, sums)
	}
	if err := before.end(e); err != nil {
		s.warn(err)
	}
	return nil
}

// read gets a block for e, and reads what goes into it. Nothing is read when there is no block to be had.
func (s *Spool) read(ctx context.Context, e *Entry, r io.Reader, buffer []byte) (to block, noBlock, err error) {
	if err := s.room.Acquire(ctx, 1); err != nil {
		return block{}, nil, err
	}
	if to, noBlock = s.blocks.take(); noBlock != nil {
		s.room.Release(1)
		return block{}, noBlock, nil
	}
	e.blocks = append(e.blocks, to)
	_, err = io.ReadFull(r, buffer)
	return to, nil, err
}

// pendingWrite is a block that is being written; the zero value is none.
type pendingWrite struct {
	content []byte
	ended   chan error
}

func write(to block, content []byte, sums io.Writer) pendingWrite {
	p := pendingWrite{content: content, ended: make(chan error, 1)}
	go func() {
		_, _ = sums.Write(content)
		_, err := to.file.WriteAt(content, to.at)
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
	if err != nil {
		e.memory = bytes.Clone(p.content)
		return err
	}
	e.stored += int64(len(p.content))
	return nil
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

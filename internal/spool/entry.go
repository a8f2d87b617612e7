package spool

import (
	"io"
	"sync"
)

// Entry is the content, or the first part of it, of one file. It can be read
// once. The room is given back while it is read, and all of it by Close, which may be called
// at any time.
type Entry struct {
	// Size is how many bytes are held.
	Size int64

	mu     sync.Mutex // reading never waits for anything
	spool  *Spool
	small  bool    // all is in memory, and counts as small
	blocks []block // with the first bytes, as far as they were not given back
	stored int64   // bytes in blocks
	memory []byte  // what follows them
	pos    int64   // what was read
}

// Read implements io.Reader and fills p as far as it can, up to the end of a block.
func (e *Entry) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pos >= e.Size {
		return 0, io.EOF
	}
	if e.pos >= e.stored {
		n := copy(p, e.memory[e.pos-e.stored:])
		e.pos += int64(n)
		return n, nil
	}
	within := e.pos % blockSize
	n, err := e.blocks[0].file.ReadAt(p[:min(int64(len(p)), blockSize-within, e.stored-e.pos)], e.blocks[0].at+within)
	e.pos += int64(n)
	if n > 0 && (e.pos%blockSize == 0 || e.pos == e.stored) {
		e.giveBack(1)
	}
	if err != nil && n == 0 {
		return 0, endedEarly(err)
	}
	return n, nil
}

// giveBack lets others have the first n blocks.
func (e *Entry) giveBack(n int) {
	e.spool.blocks.giveBack(e.blocks[:n])
	e.spool.room.Release(int64(n))
	e.blocks = e.blocks[n:]
}

// Close frees all that is left. It may be called more than once.
func (e *Entry) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.small {
		e.spool.small.Release(int64(len(e.memory)))
	}
	e.giveBack(len(e.blocks))
	e.memory, e.pos, e.small = nil, e.Size, false
	return nil
}

package spool

import (
	"io"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// releaseStep is how much is read of a temporary file before its space is given
// back, in bytes.
const releaseStep = 4 << 20

// Entry is the content, or the first part of it, of one file. It can be read
// once. The space is freed while it is read, and all of it by Close, which may be called
// at any time.
type Entry struct {
	// Size is how many bytes are held.
	Size int64

	mu       sync.Mutex // reading never waits for anything
	spool    *Spool
	file     *tempfile.File // nil without
	stored   int64          // bytes in file
	memory   []byte         // what follows file
	reserved int64          // bytes of spool.disk, or of spool.memory without file
	pos      int64          // what was read
	freed    int64          // what was given back of file
}

// Read implements io.Reader and fills p as far as it can.
func (e *Entry) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pos >= e.Size {
		return 0, io.EOF
	}
	if e.pos < e.stored {
		n, err := e.file.ReadAt(p[:min(int64(len(p)), e.stored-e.pos)], e.pos)
		e.pos += int64(n)
		e.release()
		if err != nil && n == 0 {
			return 0, endedEarly(err)
		}
		return n, nil
	}
	n := copy(p, e.memory[e.pos-e.stored:])
	e.pos += int64(n)
	return n, nil
}

// release gives back the space of what was read, if the file system can.
func (e *Entry) release() {
	if n := e.pos - e.freed; n >= releaseStep && punchHole(e.file.File, e.freed, n) == nil {
		e.freed = e.pos
		e.reserved -= n
		e.spool.disk.Release(n)
	}
}

// Close frees all that is left. It may be called more than once.
func (e *Entry) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	reserved := e.reserved
	e.reserved, e.memory = 0, nil
	e.pos = e.Size
	if e.file == nil {
		e.spool.memory.Release(reserved)
		return nil
	}
	err := e.file.Remove()
	e.spool.disk.Release(reserved)
	return err
}

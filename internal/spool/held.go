package spool

import (
	"io"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// releaseStep is how much is read of a temporary file before its space is given
// back, in bytes.
const releaseStep = 4 << 20

// Entry is the content, or the first part of it, of one file. It can be read
// once. The space is freed while it is read, and all of it by Close.
type Entry struct {
	// Size is how many bytes are held.
	Size int64

	spool    *Spool
	file     *tempfile.File // nil without
	stored   int64          // bytes in file
	memory   []byte         // what follows file
	reserved int64          // bytes of spool.disk, or of spool.memory without file
	pos      int64          // what was read
	freed    int64          // what was given back of file
}

// Read implements io.Reader and fills p as far as it can.
func (h *Entry) Read(p []byte) (int, error) {
	if h.pos >= h.Size {
		return 0, io.EOF
	}
	if h.pos < h.stored {
		n, err := h.file.ReadAt(p[:min(int64(len(p)), h.stored-h.pos)], h.pos)
		h.pos += int64(n)
		h.release()
		if err != nil && n == 0 {
			return 0, unexpected(err)
		}
		return n, nil
	}
	n := copy(p, h.memory[h.pos-h.stored:])
	h.pos += int64(n)
	return n, nil
}

// release gives back the space of what was read, if the file system can.
func (h *Entry) release() {
	if n := h.pos - h.freed; n >= releaseStep && punch(h.file.File, h.freed, n) == nil {
		h.freed = h.pos
		h.reserved -= n
		h.spool.disk.Release(n)
	}
}

// Close frees all that is left. It may be called more than once.
func (h *Entry) Close() error {
	reserved := h.reserved
	h.reserved, h.memory = 0, nil
	h.pos = h.Size
	if h.file == nil {
		h.spool.memory.Release(reserved)
		return nil
	}
	err := h.file.Remove()
	h.spool.disk.Release(reserved)
	return err
}

package proc

import (
	"io"
	"os"
)

const (
	blockSize = 1 << 20 // bytes; the size of a pipe, see SetPipeSize
	blocks    = 3       // read ahead at the most, per stream
)

// readAhead reads a pipe in the background into a few large blocks, so that the
// process at its other end goes on while a block is sent to plakar.
type readAhead struct {
	file   *os.File
	full   chan block
	free   chan []byte
	closed chan struct{}

	current block
	buffer  []byte // of current, to be given back
}

type block struct {
	data []byte
	err  error // after data
}

func newReadAhead(f *os.File) *readAhead {
	r := &readAhead{
		file: f, full: make(chan block, blocks), free: make(chan []byte, blocks), closed: make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *readAhead) run() {
	defer close(r.full)
	allocated := 0
	for {
		var buffer []byte
		if allocated < blocks && len(r.free) == 0 {
			buffer = make([]byte, blockSize)
			allocated++
		} else {
			select {
			case buffer = <-r.free:
			case <-r.closed:
				return
			}
		}
		n, err := io.ReadFull(r.file, buffer)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		select {
		case r.full <- block{data: buffer[:n], err: err}:
		case <-r.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read fills p unless the pipe ends before.
func (r *readAhead) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.current.data) == 0 {
			if r.current.err != nil {
				return n, r.current.err
			}
			if !r.next() {
				return n, os.ErrClosed
			}
		}
		copied := copy(p[n:], r.current.data)
		r.current.data = r.current.data[copied:]
		n += copied
	}
	return n, nil
}

func (r *readAhead) next() bool {
	if r.buffer != nil {
		r.free <- r.buffer[:cap(r.buffer)]
		r.buffer = nil
	}
	select {
	case b, ok := <-r.full:
		if !ok {
			return false
		}
		r.current, r.buffer = b, b.data
		return true
	case <-r.closed:
		return false
	}
}

// Close ends the background reading. It may be called once, after the process
// at the other end is gone.
func (r *readAhead) Close() error {
	close(r.closed)
	return r.file.Close()
}

package physical

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// comparison is how two files compare, in bytes from their beginning.
type comparison struct {
	differ     uint64 // where they do first; their length if nowhere
	endA, endB uint64 // where what is not zero ends
}

// agree reports whether the first so many bytes of both are the same.
func (c comparison) agree(bytes uint64) bool { return c.differ >= bytes }

// compareFiles compares two files of the same length.
func compareFiles(root *os.Root, a, b string) (c comparison, err error) {
	fileA, err := root.Open(a)
	if err != nil {
		return c, err
	}
	defer func() { _ = fileA.Close() }()
	fileB, err := root.Open(b)
	if err != nil {
		return c, err
	}
	defer func() { _ = fileB.Close() }()
	blockA, blockB := make([]byte, blockSize), make([]byte, blockSize)
	for at := uint64(0); ; at += blockSize {
		n, errA := io.ReadFull(fileA, blockA)
		m, errB := io.ReadFull(fileB, blockB)
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return c, err
			}
		}
		c.add(at, blockA[:n], blockB[:m])
		if errA != nil && errB != nil {
			return c, nil
		}
	}
}

// add takes the blocks of both files that begin so many bytes from their beginning.
func (c *comparison) add(at uint64, a, b []byte) {
	if used := len(bytes.TrimRight(a, "\x00")); used > 0 {
		c.endA = at + uint64(used)
	}
	if used := len(bytes.TrimRight(b, "\x00")); used > 0 {
		c.endB = at + uint64(used)
	}
	if c.differ < at {
		return
	}
	n := 0
	if bytes.Equal(a, b) {
		n = len(a)
	}
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	c.differ = at + uint64(n) // #nosec G115 -- not negative
}

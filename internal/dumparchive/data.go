package dumparchive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// The kinds of blocks that follow the table of contents.
// Source: BLK_DATA and BLK_BLOBS in src/bin/pg_dump/pg_backup_archiver.h
const (
	blockData  = 1
	blockBlobs = 3
)

// Uncompressed reports whether the data in the archive is as COPY writes it.
func (h *Header) Uncompressed() bool { return h.Compression == 0 }

// DataReader takes the data of an archive, in its order.
type DataReader interface {
	// Data takes the data of one entry, as it is in the archive. What it does not read of it
	// is skipped.
	Data(dumpID int, content io.Reader) error
	// LargeObject takes a large object of an entry.
	LargeObject(dumpID, oid int, content io.Reader) error
}

// EachData reads what follows the table of contents to its end, once. An error of to ends it.
// Source: _PrintTocData in src/bin/pg_dump/pg_backup_custom.c
func (a *Archive) EachData(to DataReader) error {
	d := &blockReader{r: bufio.NewReaderSize(a.data, 1<<16), intSize: a.Header.IntSize}
	for {
		kind, err := d.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, err := d.int()
		if err != nil {
			return err
		}
		switch kind {
		case blockData:
			err = d.content(func(r io.Reader) error { return to.Data(id, r) })
		case blockBlobs:
			err = d.largeObjects(func(oid int, r io.Reader) error { return to.LargeObject(id, oid, r) })
		default:
			err = fmt.Errorf("the archive is damaged: there is no kind %d of data", kind)
		}
		if err != nil {
			return err
		}
	}
}

// blockReader reads blocks.
type blockReader struct {
	r       *bufio.Reader
	intSize int
}

// int reads a sign and a number.
func (b *blockReader) int() (int, error) {
	sign, err := b.r.ReadByte()
	n := 0
	for i := 0; i < b.intSize && err == nil; i++ {
		var digit byte
		digit, err = b.r.ReadByte()
		if i < usualIntSize { // the rest of it is zero
			n |= int(digit) << (8 * i)
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if sign != 0 {
		n = -n
	}
	return n, err
}

// content gives one content to use, and skips what is left of it.
func (b *blockReader) content(use func(io.Reader) error) error {
	c := &chunkReader{b: b}
	if err := use(c); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

func (b *blockReader) largeObjects(use func(oid int, r io.Reader) error) error {
	for {
		oid, err := b.int()
		if err != nil || oid == 0 {
			return err
		}
		if err := b.content(func(r io.Reader) error { return use(oid, r) }); err != nil {
			return err
		}
	}
}

// chunkReader is a content: chunks until one of no bytes.
type chunkReader struct {
	b    *blockReader
	left int // of the chunk
	err  error
}

// Read implements io.Reader.
func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err == nil && c.left == 0 {
		c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.b.r.Read(p[:min(len(p), c.left)])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.left -= n
	c.err = err
	return n, err
}

// next reads the length of the next chunk.
func (c *chunkReader) next() {
	c.left, c.err = c.b.int()
	switch {
	case c.err != nil:
	case c.left == 0:
		c.err = io.EOF
	case c.left < 0:
		c.err = errors.New("the archive is damaged: data cannot be of negative length")
	}
}

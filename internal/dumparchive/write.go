package dumparchive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// WriteTo writes the header and the table of contents as they are now, which may be
// longer or shorter than what was read: where the archive says where its data is, it
// says the new place. It implements io.WriterTo.
func (t *TOC) WriteTo(w io.Writer) (int64, error) {
	measure := encoder{w: bufio.NewWriter(io.Discard)}
	measure.toc(t)
	e := encoder{w: bufio.NewWriter(w)}
	if t.size > 0 {
		e.moved = measure.n - t.size
	}
	e.toc(t)
	if err := e.w.Flush(); e.err == nil {
		e.err = err
	}
	if e.err != nil {
		return e.n, fmt.Errorf("writing an archive's table of contents: %w", e.err)
	}
	return e.n, nil
}

// encoder writes what an archive is made of. After an error it writes nothing.
type encoder struct {
	w          *bufio.Writer
	n          int64 // bytes that were written
	moved      int64 // how much later in the archive the data is than it was, in bytes
	intSize    int
	offsetSize int
	err        error
}

func (e *encoder) toc(t *TOC) {
	if e.err = t.Header.check(); e.err != nil {
		return
	}
	e.header(&t.Header)
	e.int(len(t.Entries))
	for n := range t.Entries {
		e.entry(&t.Entries[n], t.Header.Version)
	}
}

func (e *encoder) header(h *Header) {
	e.intSize, e.offsetSize = h.IntSize, h.OffsetSize
	e.bytes(magic)
	for _, b := range []int{h.Version / 100, h.Version % 100, h.Revision, h.IntSize, h.OffsetSize, h.Format} {
		e.byte(b)
	}
	if h.Version >= versionCompression {
		e.byte(h.Compression)
	} else {
		e.int(h.Compression)
	}
	for _, n := range h.Created {
		e.int(n)
	}
	e.text(h.Database, h.nulls&nullDatabase)
	e.text(h.ServerVersion, h.nulls&nullServerVersion)
	e.text(h.DumpVersion, h.nulls&nullDumpVersion)
}

func (e *encoder) entry(entry *Entry, version int) {
	null := entry.nulls
	e.int(entry.DumpID)
	e.int(asInt(entry.HasData))
	e.text(strconv.FormatUint(uint64(entry.TableOID), 10), 0)
	e.text(strconv.FormatUint(uint64(entry.OID), 10), 0)
	e.text(entry.Tag, null&nullTag)
	e.text(entry.Desc, null&nullDesc)
	e.int(int(entry.Section))
	e.text(entry.Defn, null&nullDefn)
	e.text(entry.DropStmt, null&nullDropStmt)
	e.text(entry.CopyStmt, null&nullCopyStmt)
	e.text(entry.Namespace, null&nullNamespace)
	e.text(entry.Tablespace, null&nullTablespace)
	if version >= versionTableAM {
		e.text(entry.TableAM, null&nullTableAM)
	}
	if version >= versionRelkind {
		e.int(entry.Relkind)
	}
	e.text(entry.Owner, null&nullOwner)
	e.text(strconv.FormatBool(entry.WithOIDs), 0)
	for _, id := range entry.Dependencies {
		e.text(strconv.Itoa(id), 0)
	}
	e.text("", 1)
	e.offset(entry)
}

func (e *encoder) offset(entry *Entry) {
	offset := entry.Offset
	if entry.OffsetState == OffsetSet {
		if e.moved > math.MaxInt64-max(offset, 0) || offset+e.moved < 0 {
			e.fail(fmt.Errorf("the data of entry %d cannot be at %d", entry.DumpID, offset))
			return
		}
		offset += e.moved
	}
	e.byte(int(entry.OffsetState))
	e.integer(offset, e.offsetSize)
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) bytes(s string) {
	if e.err != nil {
		return
	}
	n, err := e.w.WriteString(s)
	e.n += int64(n)
	e.err = err
}

func (e *encoder) byte(b int) {
	switch {
	case e.err != nil:
	case b < 0 || b > math.MaxUint8:
		e.err = fmt.Errorf("%d is no byte", b)
	default:
		e.err = e.w.WriteByte(byte(b))
		e.n++
	}
}

// integer writes digits of base 256, the least one first.
func (e *encoder) integer(n int64, size int) {
	if n < 0 || size < 8 && n>>(8*size) != 0 {
		e.fail(fmt.Errorf("%d does not fit into %d bytes", n, size))
		return
	}
	for range size {
		e.byte(int(n & math.MaxUint8))
		n >>= 8
	}
}

// int writes a sign and a number.
func (e *encoder) int(n int) {
	sign := asInt(n < 0)
	if n < 0 {
		n = -n
	}
	if n > math.MaxInt32 {
		e.fail(errors.New("a number is too large"))
		return
	}
	e.byte(sign)
	e.integer(int64(n), e.intSize)
}

// text writes a string: NULL if it is empty and null says so.
func (e *encoder) text(s string, null nulls) {
	if s == "" && null != 0 {
		e.int(-1)
		return
	}
	e.int(len(s))
	e.bytes(s)
}

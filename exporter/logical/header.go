package logical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// headerSize is how much of an archive is looked at, in bytes: the header takes
// less than half of it.
const headerSize = 1 << 10

// begin reads the archive's header: the oldest major version whose pg_restore
// reads the archive, a.made and a.origin. The format's version follows the magic; 1.15
// came with PostgreSQL 16 and 1.16 with 17.
// Source: src/bin/pg_dump/pg_backup_archiver.h
func (a *archive) begin() (oldestReader int, err error) {
	head := make([]byte, headerSize)
	var n int
	if len(a.head) > 0 {
		n = copy(head, a.head)
	} else if a.file != nil {
		n, err = a.file.ReadAt(head, 0)
	} else {
		n, err = io.ReadFull(a.content, head)
		a.head = head[:n]
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("reading the dump: %w", err)
	}
	const magic = "PGDMP"
	head, found := bytes.CutPrefix(head[:n], []byte(magic))
	if !found || len(head) < 2 {
		return 0, errors.New("the dump is damaged: it does not begin like an archive of pg_dump")
	}
	format := int(head[0])*100 + int(head[1])
	a.made, a.origin = origin(head[2:], format)
	switch {
	case format <= 114:
		return 0, nil
	case format == 115:
		return 16, nil
	default:
		return 17, nil
	}
}

// origin reads the names of the database and of the server's version from what follows
// the format's version in an archive: revision, size of integers, size of offsets,
// format, compression, time, database, version. What is not readable gives "".
// Source: ReadHead in src/bin/pg_dump/pg_backup_archiver.c
func origin(head []byte, format int) (database, version string) {
	if len(head) < 4 {
		return "", ""
	}
	r := fields{rest: head[4:], size: int(head[1])}
	if format >= 115 {
		r.bytes(1)
	} else {
		r.number()
	}
	for range 7 {
		r.number()
	}
	database = r.text()
	return database, r.text()
}

// olderThan reports whether version, like "17.5 (Debian 17.5-1)" or "18beta1", is of
// a later major version than major.
func olderThan(major int, version string) bool {
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	of, err := strconv.Atoi(version[:digits])
	return err == nil && major < of
}

// fields reads an archive's header; nothing can be read past its end.
type fields struct {
	rest []byte
	size int // of an integer, without its sign
}

func (f *fields) bytes(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.rest, n = nil, 0
	}
	part := f.rest[:n]
	f.rest = f.rest[n:]
	return part
}

// number reads a sign and the digits of base 256, the least one first.
func (f *fields) number() int {
	part := f.bytes(1 + f.size)
	n := 0
	for i := len(part) - 1; i > 0; i-- {
		n = n<<8 | int(part[i])
	}
	return n
}

func (f *fields) text() string { return string(f.bytes(f.number())) }

// Package header reads the header of pg_dump's archives, and can take the time of
// creation out of it. It never reads or writes past the bytes that it is given, and
// changes nothing that it does not know for certain.
//
// Source: ReadHead in src/bin/pg_dump/pg_backup_archiver.c
package header

import "bytes"

// Size is how much of an archive is looked at, in bytes: the header takes less
// than half of it.
const Size = 1 << 10

// Header is what an archive says of itself. What is not readable is "".
type Header struct {
	Format   int    // version of the format: 116 is 1.16
	Database string // that it was made of
	Server   string // version of the server, like "17.5 (Debian 17.5-1)"

	known bool     // the sizes of everything up to the time
	time  [][]byte // of creation, within what was parsed: a number each
}

// Parse reads the header that an archive begins with; not ok: it is none.
func Parse(head []byte) (h Header, ok bool) {
	const magic = "PGDMP"
	head, found := bytes.CutPrefix(head, []byte(magic))
	if !found || len(head) < 2 {
		return Header{}, false
	}
	h.Format = int(head[0])*100 + int(head[1])
	head = head[2:]
	// revision, size of integers, size of offsets, format
	if len(head) < 4 {
		return h, true
	}
	r := fields{rest: head[4:], size: int(head[1])}
	h.known = bytes.Equal(head[1:4], []byte{intSize, offsetSize, custom}) && h.Format >= oldest && h.Format <= newest
	// the method of compression
	if h.Format >= 115 {
		r.bytes(1)
	} else {
		r.number()
	}
	for range timeFields {
		h.time = append(h.time, r.bytes(1+r.size))
	}
	h.Database = r.text()
	h.Server = r.text()
	return h, true
}

// What pg_dump 10 to 18 write on every machine.
const (
	intSize    = 4
	offsetSize = 8
	custom     = 1
	oldest     = 112
	newest     = 116
	timeFields = 7
)

// undated is 2000-01-01 00:00:00: seconds, minutes, hours, day, month from 0, years
// since 1900, no daylight saving time. 1970 would not do, which is before the beginning
// of time in some time zones: pg_restore warns of that.
var undated = [timeFields]byte{0, 0, 0, 1, 0, 100, 0}

// Undate replaces the time of creation in head, the beginning of an archive, by one
// that is always the same. It leaves alone what it does not recognise.
func Undate(head []byte) {
	h, ok := Parse(head)
	if !ok || !h.known {
		return
	}
	for _, number := range h.time {
		if len(number) != 1+intSize {
			return // it is cut off
		}
	}
	for n, number := range h.time {
		clear(number)
		number[1] = undated[n]
	}
}

// fields reads a header; nothing can be read past its end.
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

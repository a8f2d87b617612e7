package dumparchive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
)

// decoder reads what an archive is made of. After an error everything is empty.
type decoder struct {
	r          *bufio.Reader
	ahead      []byte // what r has in its buffer, from the next byte on
	used       int    // bytes before ahead that r still counts as not read; see settle
	n          int64  // bytes that were read
	left       int64  // that may be read, or charged
	intSize    int
	offsetSize int
	names      map[string]string // that occur often: one copy of each
	texts      *strings.Builder  // room for others, which are many and short
	ids        []int             // room for dependencies
	err        error
}

// bufferSize is how much is read ahead, in bytes.
const bufferSize = 16 << 10

// How much memory is taken at once for texts, in bytes, and for dependencies.
const (
	textsAtOnce = 64 << 10
	idsAtOnce   = 1024
)

func newDecoder(r io.Reader, limit int64) *decoder {
	return &decoder{r: bufio.NewReaderSize(r, bufferSize), left: limit, names: map[string]string{}, texts: new(strings.Builder)}
}

// charge counts memory against the limit.
func (d *decoder) charge(n int64) {
	if d.left -= n; d.left < 0 && d.err == nil {
		d.err = errTooLarge
	}
}

// bytes reads n bytes, which are valid until the next read. What is long is not allocated
// before it has arrived.
func (d *decoder) bytes(n int) []byte {
	d.charge(int64(n))
	if d.err != nil {
		return nil
	}
	if n > len(d.ahead) {
		return d.bytesBeyond(n)
	}
	part := d.ahead[:n]
	d.ahead, d.used, d.n = d.ahead[n:], d.used+n, d.n+int64(n)
	return part
}

// bytesBeyond is bytes for more than what was read ahead.
func (d *decoder) bytesBeyond(n int) (part []byte) {
	d.settle()
	var err error
	if n <= bufferSize {
		part, err = d.r.Peek(n)
		d.used = len(part)
	} else {
		var buf bytes.Buffer
		_, err = io.CopyN(&buf, d.r, int64(n))
		part = buf.Bytes()
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		d.err = err
		return nil
	}
	all, _ := d.r.Peek(d.r.Buffered())
	d.ahead = all[d.used:]
	d.n += int64(n)
	return part
}

// settle lets r count as read what was.
func (d *decoder) settle() {
	_, _ = d.r.Discard(d.used) // it is in the buffer
	d.ahead, d.used = nil, 0
}

func (d *decoder) byte() int {
	part := d.bytes(1)
	if d.err != nil {
		return 0
	}
	return int(part[0])
}

// integer reads digits of base 256, the least one first.
func (d *decoder) integer(size int) int64 {
	var n uint64
	for i, digit := range d.bytes(size) {
		n |= uint64(digit) << (8 * i) // #nosec G115 -- less than eight
	}
	if n > math.MaxInt64 && d.err == nil {
		d.err = errors.New("a number is too large")
	}
	return int64(n) // #nosec G115 -- checked
}

// int reads a sign and a number: an int of C.
func (d *decoder) int() int {
	digits := d.bytes(1 + d.intSize)
	if d.err != nil {
		return 0
	}
	var n uint64
	if d.intSize == usualIntSize {
		n = uint64(binary.LittleEndian.Uint32(digits[1:]))
	} else {
		for i, digit := range digits[1:] {
			n |= uint64(digit) << (8 * i)
		}
	}
	if n > math.MaxInt32 {
		d.err = errors.New("a number is too large")
		return 0
	}
	if digits[0] != 0 {
		return -int(n)
	}
	return int(n)
}

// text reads a string; if it is NULL, the bit is set.
func (d *decoder) text(null *nulls, bit nulls) string {
	raw := d.raw(null, bit)
	if len(raw) > textsAtOnce/16 {
		return string(raw)
	}
	if d.texts.Cap()-d.texts.Len() < len(raw) {
		d.texts = new(strings.Builder) // the old one lives in the strings that it gave
		d.texts.Grow(textsAtOnce)
	}
	from := d.texts.Len()
	d.texts.Write(raw)
	return d.texts.String()[from:]
}

// name is text for what occurs in many entries.
func (d *decoder) name(null *nulls, bit nulls) string {
	raw := d.raw(null, bit)
	if len(raw) == 0 {
		return ""
	}
	if name, ok := d.names[string(raw)]; ok {
		return name
	}
	name := string(raw)
	d.names[name] = name
	return name
}

func (d *decoder) raw(null *nulls, bit nulls) []byte {
	n := d.int()
	if n < 0 {
		if null != nil {
			*null |= bit
		}
		return nil
	}
	return d.bytes(n)
}

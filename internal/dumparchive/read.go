package dumparchive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// MaxSize is how large a header and a table of contents may be together, in bytes, with
// entryOverhead for every entry: room for about 600,000 tables.
const MaxSize = 1 << 30

// entryOverhead is what an entry takes in memory besides its strings, about.
const entryOverhead = 300

// errTooLarge is for a table of contents beyond MaxSize.
var errTooLarge = fmt.Errorf("the table of contents is larger than %d MiB, or damaged", MaxSize>>20)

// TOC is a header and a table of contents.
type TOC struct {
	Header  Header
	Entries []Entry // in the order of the archive

	size int64 // of both in the archive that was read
	byID map[int]int
}

// Size returns how many bytes the header and the table of contents took in the archive
// that was read: the data begins there.
func (t *TOC) Size() int64 { return t.size }

// ByID returns the entry with a dump ID, nil if there is none. The pointer is valid
// until Entries is made longer or shorter.
func (t *TOC) ByID(dumpID int) *Entry {
	n, ok := t.Index(dumpID)
	if !ok {
		return nil
	}
	return &t.Entries[n]
}

// Index returns where in Entries the entry with a dump ID is.
func (t *TOC) Index(dumpID int) (n int, ok bool) {
	n, ok = t.byID[dumpID]
	return n, ok && n < len(t.Entries)
}

// Find returns the first entry of a kind, nil if there is none: meant for those that an
// archive has once, such as SearchPath.
func (t *TOC) Find(desc string) *Entry {
	for n := range t.Entries {
		if t.Entries[n].Desc == desc {
			return &t.Entries[n]
		}
	}
	return nil
}

// ReadTOC reads the header and the table of contents. It reads ahead: more than
// TOC.Size bytes are gone from r, of which an io.TeeReader can keep a copy.
//
// The error is ErrNotArchive, io.ErrUnexpectedEOF, one of r's, or says what is damaged.
func ReadTOC(r io.Reader) (*TOC, error) { return readTOC(newDecoder(r, MaxSize)) }

func readTOC(d *decoder) (*TOC, error) {
	t := &TOC{Header: d.header(), byID: map[int]int{}}
	err := d.err
	if t.Header.Version > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		// A version that is not known explains why the header was not understood.
		if unknown := t.Header.check(); unknown != nil {
			err = unknown
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the header of the archive: %w", err)
	}
	count := d.int()
	if d.err == nil && count < 0 {
		d.err = fmt.Errorf("it cannot have %d entries", count)
	}
	t.Entries = make([]Entry, 0, min(max(count, 0), firstEntries))
	for n := 0; n < count && d.err == nil; n++ {
		if n == cap(t.Entries) {
			t.Entries = slices.Grow(t.Entries, min(count, growth*n)-n)
		}
		e := d.entry(t.Header.Version)
		if _, twice := t.byID[e.DumpID]; twice && d.err == nil {
			d.err = fmt.Errorf("the ID %d is there twice", e.DumpID)
		}
		if d.err != nil {
			d.err = fmt.Errorf("entry %d of %d: %w", n+1, count, d.err)
			break
		}
		t.byID[e.DumpID] = len(t.Entries)
		t.Entries = append(t.Entries, e)
	}
	if d.err != nil {
		return nil, fmt.Errorf("reading the archive's table of contents: %w", d.err)
	}
	t.size = d.n
	return t, nil
}

// Room for entries: for so many at first, and then for several times as many as have come.
// A damaged count can cost no more.
const (
	firstEntries = 4096
	growth       = 4
)

// entry reads an entry; d.err says whether it is one.
func (d *decoder) entry(version int) (e Entry) {
	d.charge(entryOverhead)
	e.DumpID = d.int()
	if d.err == nil && e.DumpID <= 0 {
		d.err = fmt.Errorf("%d is no ID", e.DumpID)
	}
	e.HasData = d.int() != 0
	e.TableOID = d.oid()
	e.OID = d.oid()
	e.Tag = d.text(&e.nulls, nullTag)
	e.Desc = d.name(&e.nulls, nullDesc)
	e.Section = Section(d.int())
	e.Defn = d.text(&e.nulls, nullDefn)
	e.DropStmt = d.text(&e.nulls, nullDropStmt)
	e.CopyStmt = d.text(&e.nulls, nullCopyStmt)
	e.Namespace = d.name(&e.nulls, nullNamespace)
	e.Tablespace = d.name(&e.nulls, nullTablespace)
	if version >= versionTableAM {
		e.TableAM = d.name(&e.nulls, nullTableAM)
	}
	if version >= versionRelkind {
		e.Relkind = d.int()
	}
	e.Owner = d.name(&e.nulls, nullOwner)
	e.WithOIDs = d.name(nil, 0) == "true"
	e.Dependencies = d.dependencies()
	e.OffsetState, e.Offset = d.offset()
	return e
}

// dependencies reads numbers in text up to a NULL.
func (d *decoder) dependencies() (ids []int) {
	for d.err == nil {
		var end nulls
		text := d.raw(&end, 1)
		if d.err != nil || end != 0 {
			break
		}
		d.charge(8)
		ids = append(ids, int(d.number(text, math.MaxInt32)))
	}
	return ids
}

// number reads a number in text, up to a limit.
func (d *decoder) number(text []byte, most int64) (n int64) {
	valid := len(text) > 0
	for _, digit := range text {
		if valid = digit >= '0' && digit <= '9'; !valid {
			break
		}
		if n = n*10 + int64(digit-'0'); n > most {
			valid = false
			break
		}
	}
	if d.err == nil && !valid {
		d.err = fmt.Errorf("%q is no number", text[:min(len(text), 20)])
	}
	return n
}

func (d *decoder) oid() uint32 {
	return uint32(d.number(d.raw(nil, 0), math.MaxUint32)) // #nosec G115 -- at most that
}

func (d *decoder) offset() (OffsetState, int64) {
	state := OffsetState(d.byte())
	if d.err == nil && (state < OffsetNotSet || state > OffsetNoData) {
		d.err = fmt.Errorf("%d says nothing of where the data is", state)
	}
	return state, d.integer(d.offsetSize)
}

// decoder reads what an archive is made of. After an error everything is empty.
type decoder struct {
	r          *bufio.Reader
	n          int64 // bytes that were read
	left       int64 // that may be read, or charged
	intSize    int
	offsetSize int
	names      map[string]string // that occur often: one copy of each
	err        error
}

// bufferSize is how much is read ahead, in bytes.
const bufferSize = 16 << 10

func newDecoder(r io.Reader, limit int64) *decoder {
	return &decoder{r: bufio.NewReaderSize(r, bufferSize), left: limit, names: map[string]string{}}
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
	var part []byte
	var err error
	if n <= bufferSize {
		if part, err = d.r.Peek(n); err == nil {
			_, err = d.r.Discard(n)
		}
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
	d.n += int64(n)
	return part
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
	for i, digit := range digits[1:] {
		n |= uint64(digit) << (8 * i)
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
func (d *decoder) text(null *nulls, bit nulls) string { return string(d.raw(null, bit)) }

// name is text for what occurs in many entries.
func (d *decoder) name(null *nulls, bit nulls) string {
	raw := d.raw(null, bit)
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

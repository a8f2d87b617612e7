package dumparchive

import (
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
	byID index
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
	n, ok = t.byID.find(dumpID)
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
	t := &TOC{Header: d.header()}
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
		// In place: an entry has some 300 bytes.
		t.Entries = t.Entries[:n+1]
		d.entry(&t.Entries[n], t.Header.Version)
		if d.err != nil {
			d.err = fmt.Errorf("entry %d of %d: %w", n+1, count, d.err)
		}
	}
	if d.err == nil {
		var twice int
		if t.byID, twice = newIndex(t.Entries); twice >= 0 {
			d.err = fmt.Errorf("entry %d of %d: the ID %d is there twice", twice+1, count, t.Entries[twice].DumpID)
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("reading the archive's table of contents: %w", d.err)
	}
	d.settle()
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
func (d *decoder) entry(e *Entry, version int) {
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
	e.WithOIDs = string(d.raw(nil, 0)) == "true"
	e.Dependencies = d.dependencies()
	e.OffsetState, e.Offset = d.offset()
}

// dependencies reads numbers in text up to a NULL.
func (d *decoder) dependencies() []int {
	from := len(d.ids)
	for d.err == nil {
		var end nulls
		text := d.raw(&end, 1)
		if d.err != nil || end != 0 {
			break
		}
		d.charge(8)
		if len(d.ids) == cap(d.ids) { // those of this entry move to another piece of memory
			d.ids = append(make([]int, 0, max(idsAtOnce, 2*(len(d.ids)-from))), d.ids[from:]...)
			from = 0
		}
		d.ids = append(d.ids, int(d.number(text, math.MaxInt32)))
	}
	if len(d.ids) == from {
		return nil
	}
	return d.ids[from:len(d.ids):len(d.ids)]
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

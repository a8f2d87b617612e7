package dumparchive

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestCutOff(t *testing.T) {
	for name, archive := range fixtures(t) {
		size := read(t, archive).Size()
		for n := int64(0); n < size; n += 5 {
			_, err := ReadTOC(bytes.NewReader(archive[:n]))
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s cut off at %d: %v", name, n, err)
			}
		}
	}
	broken := errors.New("connection reset")
	archive := fixtures(t)["v15.dump"]
	_, err := Open(io.MultiReader(bytes.NewReader(archive[:900]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "entry ") {
		t.Errorf("%v, want %v", err, broken)
	}
}

func TestRefused(t *testing.T) {
	archive := fixtures(t)["v18.dump"]
	toc := read(t, archive)
	count := len(written(t, &TOC{Header: toc.Header})) - 5
	at := func(pos int, bytes ...byte) []byte {
		changed := append([]byte{}, archive...)
		copy(changed[pos:], bytes)
		return changed
	}
	long := append(append([]byte{}, archive[:count]...), 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 127)
	for name, test := range map[string]struct {
		archive []byte
		want    string
	}{
		"no archive":     {[]byte("PGDMQ and more"), "does not begin like an archive"},
		"a newer one":    {at(6, 17), "version 1.17 of the archive format"},
		"an older one":   {at(6, 11), "version 1.11"},
		"a tar":          {at(10, 3), "format 3"},
		"integers":       {at(8, 9), "integers of 9 bytes"},
		"offsets":        {at(9, 0), "offsets of 0 bytes"},
		"negative count": {at(count, 1), "cannot have -"},
		"too many":       {at(count+1, 255, 255, 255, 127), "entry "},
		"no ID":          {at(count+5, 0, 0, 0, 0, 0), "0 is no ID"},
		"number":         {at(count, 0, 255, 255, 255, 255), "too large"},
		"2 GiB of text":  {long, "larger than 1024 MiB"},
		"OID":            {at(count+5+5+5+5, 'x'), `"x" is no number`},
	} {
		if _, err := ReadTOC(bytes.NewReader(test.archive)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := ReadTOC(strings.NewReader("SELECT 1;")); !errors.Is(err, ErrNotArchive) {
		t.Errorf("%v, want %v", err, ErrNotArchive)
	}
	toc.Entries = append(toc.Entries, toc.Entries[0])
	if _, err := ReadTOC(bytes.NewReader(written(t, toc))); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Errorf("two entries with one ID: %v", err)
	}
}

// Neither many entries nor long strings take more memory than the limit.
func TestLimit(t *testing.T) {
	archive := fixtures(t)["v17.dump"]
	size := read(t, archive).Size()
	if _, err := readTOC(newDecoder(bytes.NewReader(archive), size)); !errors.Is(err, errTooLarge) {
		t.Errorf("%v, want %v", err, errTooLarge)
	}
}

func TestNotWritable(t *testing.T) {
	archive := fixtures(t)["v18.dump"]
	for name, change := range map[string]func(*TOC){
		"small integers": func(t *TOC) { t.Header.IntSize = 1 },
		"small offsets":  func(t *TOC) { t.Header.OffsetSize = 1 },
		"version":        func(t *TOC) { t.Header.Version = 117 },
		"state":          func(t *TOC) { t.Entries[0].OffsetState = 300 },
		"offset":         func(t *TOC) { t.Entries[0].OffsetState, t.Entries[0].Offset = OffsetSet, -1 },
	} {
		toc := read(t, archive)
		change(toc)
		if _, err := toc.WriteTo(io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	broken := errors.New("broken pipe")
	if _, err := read(t, archive).WriteTo(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzReadTOC: what can be read can be written, and is the same when read again.
func FuzzReadTOC(f *testing.F) {
	for _, archive := range fixtures(f) {
		f.Add(archive)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		toc, err := ReadTOC(bytes.NewReader(archive))
		if err != nil {
			return
		}
		if toc.Size() > int64(len(archive)) {
			t.Fatalf("%d bytes of %d", toc.Size(), len(archive))
		}
		var front bytes.Buffer
		if _, err := toc.WriteTo(&front); err != nil {
			return // an offset or a length that does not fit
		}
		again, err := ReadTOC(&front)
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []*TOC{toc, again} { // what else is written than was read
			side.size, side.Header.createdAt = 0, 0
			for n := range side.Entries {
				side.Entries[n].Offset = 0
			}
		}
		if !reflect.DeepEqual(toc, again) {
			t.Errorf("-read +written and read again\n%s", cmp.Diff(toc, again, cmp.AllowUnexported(TOC{}, index{}, Header{}, Entry{})))
		}
	})
}

package dumparchive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fixtures are the archives that testdata/make.sh made, by file name.
func fixtures(tb testing.TB) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*.dump")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no archives in testdata: %v", err)
	}
	archives := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		archives[filepath.Base(path)] = content
	}
	return archives
}

func read(tb testing.TB, archive []byte) *TOC {
	tb.Helper()
	toc, err := ReadTOC(bytes.NewReader(archive))
	if err != nil {
		tb.Fatal(err)
	}
	return toc
}

func written(tb testing.TB, toc *TOC) []byte {
	tb.Helper()
	var buf bytes.Buffer
	n, err := toc.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		tb.Fatalf("%d bytes, written says %d: %v", buf.Len(), n, err)
	}
	return buf.Bytes()
}

// list is what "pg_restore --list --verbose" prints of the entries.
func list(toc *TOC) string {
	oneLine := strings.NewReplacer("\n", " ", "\r", " ").Replace
	var b strings.Builder
	for _, e := range toc.Entries {
		namespace := oneLine(e.Namespace)
		if namespace == "" {
			namespace = "-"
		}
		fmt.Fprintf(&b, "%d; %d %d %s %s %s %s\n", e.DumpID, e.TableOID, e.OID, e.Desc, namespace, oneLine(e.Tag), oneLine(e.Owner))
		if len(e.Dependencies) > 0 {
			fmt.Fprintf(&b, ";\tdepends on: %s\n", strings.Trim(fmt.Sprint(e.Dependencies), "[]"))
		}
	}
	return b.String()
}

func TestReadTOCAsPgRestore(t *testing.T) {
	for name, archive := range fixtures(t) {
		want, err := os.ReadFile("testdata/" + strings.Split(strings.TrimSuffix(name, ".dump"), "-")[0] + ".list")
		if err != nil {
			t.Fatal(err)
		}
		head, entries, _ := strings.Cut(string(want), "; Selected TOC Entries:\n;\n")
		toc := read(t, archive)
		if diff := cmp.Diff(entries, list(toc)); diff != "" {
			t.Errorf("%s: -pg_restore +ours\n%s", name, diff)
		}
		h := toc.Header
		for _, line := range []string{
			"dbname: " + h.Database + "\n", fmt.Sprintf("TOC Entries: %d\n", len(toc.Entries)),
			"Dump Version: " + versionText(h.Version) + "-", "Dumped from database version: " + h.ServerVersion + "\n",
			"Dumped by pg_dump version: " + h.DumpVersion + "\n", fmt.Sprintf("Integer: %d bytes\n", h.IntSize),
		} {
			if !strings.Contains(head, line) {
				t.Errorf("%s: %q is not in %q", name, line, head)
			}
		}
	}
}

func TestEntryFields(t *testing.T) {
	for name, archive := range fixtures(t) {
		toc := read(t, archive)
		var table *Entry
		for n := range toc.Entries {
			if e := &toc.Entries[n]; e.Desc == "TABLE" && e.Tag == "new\nline" {
				table = e
			}
		}
		if table == nil || table.Namespace != `Sch"ema` || table.Section != SectionPreData || table.TableAM != "heap" ||
			table.Owner != "postgres" || table.HasData || table.OffsetState != OffsetNoData ||
			!strings.HasPrefix(table.Defn, `CREATE TABLE "Sch""ema"."new`+"\nline\" (") || !strings.HasPrefix(table.DropStmt, "DROP TABLE ") {
			t.Errorf("%s: %+v", name, table)
			continue
		}
		if want := 0; toc.Header.Version >= 116 {
			if want = 'r'; table.Relkind != want {
				t.Errorf("%s: relkind %d, want %d", name, table.Relkind, want)
			}
		}
		if toc.ByID(table.DumpID) != table || toc.ByID(1<<30) != nil {
			t.Errorf("%s: ByID does not find %d", name, table.DumpID)
		}
		state := OffsetSet
		if strings.Contains(name, "pipe") {
			state = OffsetNotSet
		}
		data := toc.Find("TABLE DATA")
		if !data.HasData || data.OffsetState != state || !strings.HasPrefix(data.CopyStmt, "COPY ") {
			t.Errorf("%s: %+v", name, data)
		}
	}
}

// What was not changed is written as it was read, and can be passed on.
func TestUnchanged(t *testing.T) {
	for name, archive := range fixtures(t) {
		if front := written(t, read(t, archive)); !bytes.HasPrefix(archive, front) {
			t.Errorf("%s: is not written as it was read", name)
		}
		opened, err := Open(iotest.OneByteReader(bytes.NewReader(archive)))
		if err != nil {
			t.Fatal(err)
		}
		all, err := opened.Stream()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(all); err != nil || !bytes.Equal(got, archive) {
			t.Errorf("%s: the stream is another archive: %v", name, err)
		}
		var copied bytes.Buffer
		source := bytes.NewReader(archive)
		if _, err := ReadTOC(io.TeeReader(source, &copied)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(io.MultiReader(&copied, source)); err != nil || !bytes.Equal(got, archive) {
			t.Errorf("%s: a TeeReader does not keep the archive: %v", name, err)
		}
	}
}

// A block of data begins with its type and the dump ID: these are where the changed
// table of contents says.
func TestOffsetsMove(t *testing.T) {
	for name, archive := range fixtures(t) {
		opened, err := Open(bytes.NewReader(archive))
		if err != nil {
			t.Fatal(err)
		}
		if !opened.SetSearchPath("public", `a"b'c\d`) {
			t.Fatalf("%s: no entry %s", name, SearchPath)
		}
		stream, err := opened.Stream()
		if err != nil {
			t.Fatal(err)
		}
		changed, err := io.ReadAll(stream)
		if err != nil {
			t.Fatal(err)
		}
		toc := read(t, changed)
		const want = `SELECT pg_catalog.set_config('search_path', E'"public", "a""b''c\\d"', false);` + "\n"
		if got := toc.Find(SearchPath).Defn; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if len(changed) == len(archive) || !bytes.HasSuffix(archive, changed[toc.Size():]) {
			t.Errorf("%s: the data is not the same", name)
		}
		for _, e := range toc.Entries {
			if e.OffsetState != OffsetSet {
				continue
			}
			block := newDecoder(bytes.NewReader(changed[e.Offset:]), 100)
			block.intSize = toc.Header.IntSize
			if kind, id := block.byte(), block.int(); kind != 1 && kind != 3 || id != e.DumpID || block.err != nil {
				t.Errorf("%s: %s %s: the block at %d is of kind %d, for %d: %v", name, e.Desc, e.Tag, e.Offset, kind, id, block.err)
			}
		}
	}
}

// Every version has all of its fields, whatever the size of numbers.
func TestVersions(t *testing.T) {
	for name, archive := range fixtures(t) {
		for version := OldestVersion; version <= NewestVersion; version++ {
			toc := read(t, archive)
			toc.Header.Version, toc.Header.IntSize, toc.Header.OffsetSize = version, 8, 4
			toc.Entries[0].WithOIDs = true
			toc.Header.Compression = 1
			again := read(t, written(t, toc))
			for n := range toc.Entries {
				e := &toc.Entries[n]
				e.Offset = 0 // another test's
				again.Entries[n].Offset = 0
				if version < versionTableAM {
					e.TableAM = ""
					e.nulls &^= nullTableAM
				}
				if version < versionRelkind {
					e.Relkind = 0
				}
			}
			if diff := cmp.Diff(toc, again, cmp.AllowUnexported(TOC{}, Header{}, Entry{}), cmpopts.IgnoreFields(TOC{}, "size"),
				cmpopts.IgnoreFields(Header{}, "createdAt")); diff != "" {
				t.Errorf("%s as %d: -written +read\n%s", name, version, diff)
			}
		}
	}
}

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
		"OID":            {at(count+5+5+5+5, 'x'), `"x" is no OID`},
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
			t.Errorf("-read +written and read again\n%s", cmp.Diff(toc, again, cmp.AllowUnexported(TOC{}, Header{}, Entry{})))
		}
	})
}

package dumparchive

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		if toc.Header.Version >= 116 && table.Relkind != 'r' {
			t.Errorf("%s: relkind %d, want %d", name, table.Relkind, 'r')
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
			if diff := cmp.Diff(toc, again, cmp.AllowUnexported(TOC{}, index{}, Header{}, Entry{}), cmpopts.IgnoreFields(TOC{}, "size"),
				cmpopts.IgnoreFields(Header{}, "createdAt")); diff != "" {
				t.Errorf("%s as %d: -written +read\n%s", name, version, diff)
			}
		}
	}
}

package backupmanifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parts keeps what a Handler is given.
type parts struct {
	Files    []File
	SystemID string
	Ranges   []WALRange
}

func (p *parts) File(f File)                { p.Files = append(p.Files, f) }
func (p *parts) SystemIdentifier(id string) { p.SystemID = id }
func (p *parts) WALRanges(all []WALRange)   { p.Ranges = all }

// signed is a manifest with its own checksum.
func signed(body string) []byte {
	sum := sha256.Sum256([]byte(body))
	return fmt.Appendf([]byte(body), "\"Manifest-Checksum\": \"%s\"}\n", hex.EncodeToString(sum[:]))
}

const body = `{ "PostgreSQL-Backup-Manifest-Version": 2,
"System-Identifier": 7320280665284567118,
"Files": [
{ "Path": "PG_VERSION", "Size": 3, "Last-Modified": "2026-11-25 12:00:00 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "01020304" },
{ "Encoded-Path": "62617365ff", "Size": 0, "Checksum-Algorithm": "CRC32C", "Checksum": "00000000" }
],
"WAL-Ranges": [
{ "Timeline": 2, "Start-LSN": "1/200028", "End-LSN": "1/200100" },
{ "Timeline": 1, "Start-LSN": "0/FF000028", "End-LSN": "1/200028" }
],
`

func TestRead(t *testing.T) {
	var got parts
	if err := Read(bytes.NewReader(signed(body)), &got); err != nil {
		t.Fatal(err)
	}
	if names := []string{got.Files[0].Name(), got.Files[1].Name()}; !slices.Equal(names, []string{"PG_VERSION", "base\xff"}) {
		t.Errorf("names: %q", names)
	}
	sum, err := got.Files[0].Sum()
	if diff := cmp.Diff(Sum{Size: 3, CRC: 0x04030201}, sum); diff != "" || err != nil {
		t.Error(err, diff)
	}
	want := []WALRange{{2, "1/200028", "1/200100"}, {1, "0/FF000028", "1/200028"}}
	if diff := cmp.Diff(want, got.Ranges); diff != "" || got.SystemID != "7320280665284567118" {
		t.Error(got.SystemID, diff)
	}
}

func TestReadRefuses(t *testing.T) {
	for want, text := range map[string][]byte{
		"its own checksum": bytes.Replace(signed(body), []byte("PG_VERSION"), []byte("PG_VERSIOM"), 1),
		"unexpected EOF":   signed(body)[:200],
		"EOF":              nil,
		"in place of":      []byte("[]\n"),
	} {
		if err := Read(bytes.NewReader(text), new(parts)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, f := range []File{{Algorithm: "NONE"}, {Algorithm: "CRC32C"}, {Algorithm: "CRC32C", Size: new(int64), Checksum: "12"}} {
		if sum, err := f.Sum(); err == nil {
			t.Errorf("%+v: %+v", f, sum)
		}
	}
}

// FuzzRead: a backup manifest is taken with its checksum only.
func FuzzRead(f *testing.F) {
	f.Add(signed(body))
	f.Add(signed(body)[:300])
	f.Add([]byte(`{"Files": [{"Path": "a", "Size": -1}], "Manifest-Checksum": ""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := Read(bytes.NewReader(text), new(parts)); err == nil && !bytes.Contains(text, []byte("Manifest-Checksum")) {
			t.Errorf("%q is accepted", text)
		}
	})
}

func TestSumSet(t *testing.T) {
	set := NewSumSet()
	all := []Sum{{}, {1, 2}, {1 << 32, 1}, {math.MaxInt64, math.MaxUint32}, {math.MaxUint32, 0}}
	for i, sum := range all {
		set.Put(fmt.Sprint(i), sum)
	}
	for i, sum := range all {
		if got, there := set.Take(fmt.Sprint(i)); !there || got != sum {
			t.Errorf("%v: %v %v", sum, got, there)
		}
		if set.Has(fmt.Sprint(i)) || set.Len() != len(all)-i-1 {
			t.Errorf("%d is still there", i)
		}
	}
	if !(Sum{CRC: 0x01020304}).SameCRC(Sum{CRC: 0x04030201}) || (Sum{CRC: 1}).SameCRC(Sum{CRC: 2}) {
		t.Error("checksums of a big-endian server")
	}
}

func TestSegments(t *testing.T) {
	s := NewSegments()
	if err := s.Covers(WALRange{1, "0/200028", "0/200100"}); err == nil {
		t.Error("no segment at all")
	}
	for _, name := range []string{"0000000100000000000000FF", "000000020000000100000000"} {
		if err := s.Add(name, 16<<20); err != nil {
			t.Fatal(err)
		}
	}
	for r, want := range map[WALRange]string{
		{1, "0/FF000028", "1/200028"}:   "",
		{2, "1/200028", "1/200100"}:     "",
		{2, "1/200028", "1/1000001"}:    "000000020000000100000001 is missing",
		{1, "0/FE000028", "0/FF000100"}: "0000000100000000000000FE is missing",
		{1, "nowhere", "0/FF000100"}:    "no position",
	} {
		if err := s.Covers(r); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", r, err, want)
		}
	}
	if name, ok := s.Name(2, "1/200028"); !ok || name != "000000020000000100000000" {
		t.Error(name, ok)
	}
	if err := s.Add("000000020000000100000001", 5); err == nil {
		t.Error("a segment of another size")
	}
	if segment, ok := SegmentName("pg_wal/000000020000000100000001"); !ok || segment != "000000020000000100000001" {
		t.Error(segment, ok)
	}
	if segment, ok := SegmentName("pg_wal/000000020000000100000001.partial"); ok {
		t.Error(segment)
	}
}

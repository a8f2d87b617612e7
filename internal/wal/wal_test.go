package wal

import (
	"encoding/binary"
	"strings"
	"testing"
)

const mib = 1 << 20

func TestLSN(t *testing.T) {
	for text, want := range map[string]LSN{"0/0": 0, "16/B374D848": 0x16B374D848, "ffffffff/FFFFFFFF": 1<<64 - 1, "1/0": 1 << 32} {
		got, err := ParseLSN(text)
		if err != nil || got != want || !strings.EqualFold(got.String(), text) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "1", "1/", "/1", "100000000/0", "0/100000000", "1/2/3", "-1/0", "0x1/0", "1/ 2"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		at   LSN
		size uint64
		name string
	}{
		{0x13F000028, 16 * mib, "00000002000000010000003F"},
		{0x13FFFFFFF, 16 * mib, "00000002000000010000003F"},
		{0x140000000, 16 * mib, "000000020000000100000040"},
		{0xFFFFFFFF, 16 * mib, "0000000200000000000000FF"},
		{0x100000000, 64 * mib, "000000020000000100000000"},
		{0xFFFFFFFF, 64 * mib, "00000002000000000000003F"},
		{0xFFFFFFFF, 1024 * mib, "000000020000000000000003"},
		{0xFFFFFFFF, mib, "000000020000000000000FFF"},
	} {
		s := SegmentOf(2, c.at, c.size)
		back, err := ParseSegment(c.name, c.size)
		if s.Name() != c.name || err != nil || back != s {
			t.Errorf("%s in %d: %s, %+v, %v", c.at, c.size, s, back, err)
		}
		if p, ok := s.Next().Previous(); !ok || p != s || s.End() != s.Next().Start || s.Start > c.at || s.End() <= c.at {
			t.Errorf("%s: next %s, previous of that %s", s, s.Next(), p)
		}
	}
	if p, ok := SegmentOf(1, 16*mib, 16*mib).Previous(); ok {
		t.Errorf("before the first one is %s", p)
	}
	for name, size := range map[string]uint64{
		"000000020000000100000100": 16 * mib, "000000020000000100000040": 1024 * mib, "00000002000000010000003f": 16 * mib,
		"00000002000000010000003F.partial": 16 * mib, "00000000000000010000003F": 16 * mib, "": 16 * mib,
		"000000020000000100000001": 3 * mib, "000000020000000100000002": 0,
	} {
		if s, err := ParseSegment(name, size); err == nil {
			t.Errorf("%q in %d is taken for %+v", name, size, s)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]Kind{
		"00000002000000010000003F": Complete, "00000002000000010000003F.partial": Partial, "00000002.history": HistoryFile,
		"00000002.history.partial": Other, "00000002000000010000003F.gz": Other, "00000002000000010000003F.00000028.backup": Other,
		"": Other, "RECOVERYXLOG": Other, "x/00000002.history": Other,
	} {
		if got := KindOf(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
	if got, err := ParseHistoryName("0000000A.history"); err != nil || got != 10 || got.HistoryName() != "0000000A.history" {
		t.Errorf("%d, %v", got, err)
	}
	for _, name := range []string{"00000000.history", "0000000a.history", "0000000A"} {
		if got, err := ParseHistoryName(name); err == nil {
			t.Errorf("%q is taken for %d", name, got)
		}
	}
}

func TestPaths(t *testing.T) {
	s := SegmentOf(2, 0x13F000028, 16*mib)
	for got, want := range map[string]string{
		s.Path():                   "/wal/0000000200000001/00000002000000010000003F",
		s.PartialPath():            "/wal/0000000200000001/00000002000000010000003F.partial",
		s.SumPath():                "/sum/00000002000000010000003F",
		s.Timeline.HistoryPath():   "/wal/history/00000002.history",
		Timeline(17).HistoryPath(): "/wal/history/00000011.history",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

const history = "1\t0/3000158\tno recovery target specified\n\n# a comment\n  2\t0/5000000\tat restore point \"x y\"\n"

func TestHistory(t *testing.T) {
	h, err := ParseHistory(4, []byte(history))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[LSN]Timeline{0: 1, 0x3000157: 1, 0x3000158: 2, 0x4FFFFFF: 2, 0x5000000: 4, 1 << 60: 4} {
		if got := h.TimelineAt(at); got != want {
			t.Errorf("%s lies on %d, want %d", at, got, want)
		}
	}
	for _, c := range []struct {
		timeline Timeline
		at       LSN
		want     bool
	}{{1, 0x3000158, true}, {1, 0x3000159, false}, {2, 0x5000000, true}, {2, 0x5000001, false}, {3, 1, false}, {4, 1 << 40, true}, {5, 1, false}} {
		if got := h.Holds(c.timeline, c.at); got != c.want {
			t.Errorf("%d at %s: %v", c.timeline, c.at, got)
		}
	}
	for at, want := range map[LSN]string{
		0x2000000: "000000010000000000000002", 0x3000000: "000000020000000000000003", 0x4000000: "000000020000000000000004", 0x5000000: "000000040000000000000005",
	} {
		if got := h.SegmentAt(at, 16*mib).Name(); got != want {
			t.Errorf("%s is in %s, want %s", at, got, want)
		}
	}
	if first, err := ParseHistory(1, nil); err != nil || !first.Contains(1) || first.Contains(2) || first.TimelineAt(1) != 1 {
		t.Errorf("%+v, %v", first, err)
	}
	for _, bad := range []string{"x\t0/1\t", "1", "1 x", "0\t0/1", "4\t0/1", "5\t0/1", "2\t0/1\n1\t0/2", "1\t0/2\n2\t0/1", "1\t0/2\n1\t0/3"} {
		if h, err := ParseHistory(4, []byte(bad)); err == nil {
			t.Errorf("%q is taken for %+v", bad, h)
		}
	}
}

// header is that of a segment's first page.
func header(order binary.ByteOrder) []byte {
	b := make([]byte, FirstPageHeaderSize)
	order.PutUint16(b, 0xD116)
	order.PutUint16(b[2:], longHeader|1)
	order.PutUint32(b[4:], 2)
	order.PutUint64(b[8:], 0x13F000000)
	order.PutUint64(b[24:], 7654321)
	order.PutUint32(b[32:], 16*mib)
	order.PutUint32(b[36:], 8192)
	return b
}

func TestPages(t *testing.T) {
	s := SegmentOf(2, 0x13F000028, 16*mib)
	h := History{Timeline: 2, Ancestors: []Ancestor{{Timeline: 1, End: 0x13F000400}}}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		p, err := ParseFirstPage(header(order))
		if err != nil || p.Major() != 17 || p.BlockSize != 8192 {
			t.Fatalf("%+v, %v", p, err)
		}
		if err := p.Check(s, h, 7654321); err != nil {
			t.Error(err)
		}
		for want, err := range map[string]error{
			"belongs to":        p.Check(s.Next(), h, 7654321),
			"system identifier": p.Check(s, h, 1),
			"not descend":       p.Check(s, History{Timeline: 3}, 7654321),
			"bytes, not of":     p.Check(Segment{Timeline: 2, Start: s.Start, Size: mib}, h, 7654321),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %q", err, want)
			}
		}
	}
	for name, change := range map[string]func([]byte){
		"magic": func(b []byte) { b[1] = 0 }, "short header": func(b []byte) { b[2] = 1 }, "segment size": func(b []byte) { b[33] = 1 }, "block size": func(b []byte) { b[36] = 1 },
	} {
		b := header(binary.LittleEndian)
		change(b)
		if p, err := ParseFirstPage(b); err == nil {
			t.Errorf("%s: taken for %+v", name, p)
		}
	}
	if _, err := ParseFirstPage(header(binary.LittleEndian)[:39]); err == nil {
		t.Error("a header that is cut off is accepted")
	}
}

// FuzzParse: whatever is read is written as it was, or refused.
func FuzzParse(f *testing.F) {
	f.Add("16/B374D848", uint32(2), uint64(16*mib), []byte(history))
	f.Add("00000002000000010000003F", uint32(1), uint64(mib), header(binary.LittleEndian))
	f.Add("00000002.history", uint32(9), uint64(3), []byte("1\t0/1\n1\t"))
	f.Fuzz(func(t *testing.T, text string, timeline uint32, size uint64, content []byte) {
		if l, err := ParseLSN(text); err == nil {
			if again, err := ParseLSN(l.String()); err != nil || again != l {
				t.Errorf("%q: %s, %v", text, l, err)
			}
		}
		if s, err := ParseSegment(text, size); err == nil && (s.Name() != text || KindOf(text) != Complete || SegmentOf(s.Timeline, s.End()-1, size) != s) {
			t.Errorf("%q: %+v", text, s)
		}
		if tl, err := ParseHistoryName(text); err == nil && tl.HistoryName() != text {
			t.Errorf("%q: %d", text, tl)
		}
		if h, err := ParseHistory(Timeline(timeline), content); err == nil {
			for _, a := range h.Ancestors {
				if !h.Contains(h.TimelineAt(a.End)) || !h.Holds(a.Timeline, a.End) || h.Holds(a.Timeline, a.End+1) && a.End+1 != 0 {
					t.Errorf("%q: %+v", content, h)
				}
			}
		}
		if p, err := ParseFirstPage(content); err == nil && p.Check(Segment{p.Timeline, p.Address, uint64(p.SegmentSize)}, History{Timeline: p.Timeline}, p.SystemID) != nil {
			t.Errorf("%q: %+v", content, p)
		}
	})
}

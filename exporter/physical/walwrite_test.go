package physical

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// page is the first page of a segment of 1 MiB, with rest behind its header.
func page(s wal.Segment, rest string) []byte {
	b := make([]byte, s.Size)
	binary.LittleEndian.PutUint16(b, 0xD110)
	binary.LittleEndian.PutUint16(b[2:], 2)
	binary.LittleEndian.PutUint32(b[4:], uint32(s.Timeline))
	binary.LittleEndian.PutUint64(b[8:], uint64(s.Start))
	binary.LittleEndian.PutUint64(b[24:], 7)
	binary.LittleEndian.PutUint32(b[32:], uint32(s.Size)) //nolint:gosec // small
	binary.LittleEndian.PutUint32(b[36:], 8192)
	copy(b[wal.FirstPageHeaderSize:], rest)
	return b
}

// walOn begins a restore of WAL into a directory with a base backup that came with the segment.
func walOn(t *testing.T, own wal.Segment, content []byte, label string) *walRestore {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"PG_VERSION": "15\n", labelFile: "START WAL LOCATION: " + own.Start.String() + " (file x)\n" + label + "START TIMELINE: 1\n", controlFile: "control",
		autoConf: blockBegin + "\n" + blockEnd + "\n", recoverySignal: "", "manifest.json": `{"version": 2, "dump_format": "basebackup", "databases": []}`,
		filepath.Join(walDir, own.Name()): string(content),
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	j, err := newWALRestore(&options.PhysicalRestore{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() })
	return j.(*walRestore)
}

// Segments of another history than the base backup's own, under the same name.
func TestOwnSegment(t *testing.T) {
	s := wal.Segment{Timeline: 1, Start: 5 << 20, Size: wal.MinSegmentSize}
	const standby = "BACKUP FROM: standby\n"
	for _, c := range []struct {
		label, content, suffix string
		end                    wal.LSN // of the base backup, in the segment
		refused                bool
	}{
		{"", "own", "", 0, false}, {"", "other", "", 0, true}, {"", "own, and more", "", 0, true},
		{standby, "other", "", 0, false}, {standby, "other", "", wal.FirstPageHeaderSize + 2, true},
		{standby, "own, and more", "", wal.FirstPageHeaderSize + 3, false}, {standby, "other", "", 3 << 20, true},
		{standby, "other", wal.PartialSuffix, wal.FirstPageHeaderSize + 2, true}, {standby, "ow", wal.PartialSuffix, wal.FirstPageHeaderSize + 3, false},
		{standby, "own, and more", wal.PartialSuffix, wal.FirstPageHeaderSize + 3, false},
	} {
		name := s.Name() + c.suffix
		w := walOn(t, s, page(s, "own"), c.label)
		w.base.end = s.Start + c.end
		err := w.segment(name, bytes.NewReader(page(s, c.content)))
		if refused := errors.Is(err, errOtherHistory); refused != c.refused || err != nil && !refused {
			t.Errorf("%+v: %v", c, err)
		}
		// The group may read the directory that a test gets.
		if info, err := w.store.Lstat(name); (err == nil) == c.refused || err == nil && info.Mode() != 0o640 {
			t.Errorf("%+v: in the store: %v %v", c, info, err)
		}
		if w.data.has(controlFile) || c.refused != strings.Contains(w.hint(), "own history") {
			t.Errorf("%+v: can be started, or says %q", c, w.hint())
		}
	}
}

// Of two beginnings of a segment one is that of the other.
func TestPartialSegments(t *testing.T) {
	s := wal.Segment{Timeline: 1, Start: 5 << 20, Size: wal.MinSegmentSize}
	next := s.Next()
	for _, c := range []struct {
		first, second string
		want          string // "" for an error
	}{
		{"some", "some", "some"}, {"some", "some more", "some more"}, {"some more", "some", "some more"},
		{"some", "somx", ""}, {"some", "sox and more", ""}, {"sox and more", "some", ""}, {"", "some", "some"}, {"some", "", "some"},
	} {
		w := walOn(t, s, page(s, "own"), "")
		err := w.segment(next.Name()+wal.PartialSuffix, bytes.NewReader(page(next, c.first)))
		if err == nil {
			err = w.segment(next.Name()+wal.PartialSuffix, bytes.NewReader(page(next, c.second)))
		}
		if errors.Is(err, errOtherHistory) != (c.want == "") || err != nil && c.want != "" {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		got, err := w.store.ReadFile(next.Name() + wal.PartialSuffix)
		if err != nil || c.want != "" && !bytes.Equal(got, page(next, c.want)) {
			t.Errorf("%+v: another content, %v", c, err)
		}
	}
}

// What a server does that does not find its target depends on its version.
func TestMissed(t *testing.T) {
	s := wal.Segment{Timeline: 1, Start: 5 << 20, Size: wal.MinSegmentSize}
	w := walOn(t, s, page(s, "own"), "")
	if got := w.missed("recovery_target_xid"); !strings.Contains(got, "recovery ended before") || !strings.Contains(got, "remove the line recovery_target_xid from "+w.data.path) {
		t.Error(got)
	}
	w.base.major = 12
	if got := w.missed("recovery_target_xid"); !strings.Contains(got, "PostgreSQL 12 opens with all of the WAL") {
		t.Error(got)
	}
}

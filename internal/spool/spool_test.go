package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

func newSpool(t *testing.T, disk uint64) *Spool {
	t.Helper()
	dir := tempfile.New(t.TempDir())
	t.Cleanup(func() { _ = dir.Close() })
	return New(dir, disk)
}

func content(size int) []byte {
	return bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
}

func TestHold(t *testing.T) {
	const big = memoryFile + 3*blockSize/2
	for _, c := range []struct {
		size, disk, held int
	}{
		{0, 0, 0}, {1, 0, 1}, {memoryFile, 0, memoryFile}, {big, 0, 0}, {big, big, big}, {big, big - 1, 0},
	} {
		s := newSpool(t, uint64(c.disk))
		want := content(c.size)
		source := bytes.NewReader(want)
		h, err := s.Put(t.Context(), source, int64(c.size))
		if err != nil || h.Size != int64(c.held) {
			t.Fatalf("%+v: held %d, %v", c, h.Size, err)
		}
		if fits := s.Fits(int64(c.size)); fits != (c.held == c.size) {
			t.Errorf("%+v: fits %v", c, fits)
		}
		got, err := io.ReadAll(io.MultiReader(h, source))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: %d bytes, %v", c, len(got), err)
		}
		if err := errors.Join(h.Close(), h.Close()); err != nil {
			t.Error(err)
		}
		whole(t, s)
	}
}

// whole checks that all room has been given back, once.
func whole(t *testing.T, s *Spool) {
	t.Helper()
	if !s.memory.TryAcquire(memoryTotal) || !s.disk.TryAcquire(s.diskSize) {
		t.Error("room is missing")
	}
	s.memory.Release(memoryTotal)
	s.disk.Release(s.diskSize)
}

// Files wait for room, which reading makes: here for a second one of the spool's
// whole size.
func TestRoomIsGivenBackWhileReading(t *testing.T) {
	const size = 32 << 20
	s := newSpool(t, size)
	first, err := s.Put(t.Context(), bytes.NewReader(content(size)), size)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *Entry)
	go func() {
		h, err := s.Put(t.Context(), bytes.NewReader(content(size)), size)
		if err != nil {
			t.Error(err)
		}
		second <- h
	}()
	for _, h := range []*Entry{first, nil} {
		if h == nil {
			h = <-second
		}
		got, err := io.ReadAll(h)
		if err != nil || !bytes.Equal(got, content(size)) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	whole(t, s)
}

func TestWaitEndsWithContext(t *testing.T) {
	s := newSpool(t, 0)
	for range memoryTotal / memoryFile {
		if _, err := s.Put(t.Context(), bytes.NewReader(content(memoryFile)), memoryFile); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, strings.NewReader("x"), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no room: %v", err)
	}
}

// A source that ends early is an error, and leaves nothing reserved.
func TestShortSource(t *testing.T) {
	const size = 20 << 20
	for _, given := range []int{0, 1, size - 1} {
		for _, announced := range []int64{memoryFile, size} {
			s := newSpool(t, size)
			source := io.LimitReader(bytes.NewReader(content(size)), min(int64(given), announced-1))
			if _, err := s.Put(t.Context(), source, announced); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d of %d: %v", given, announced, err)
			}
			whole(t, s)
		}
	}
}

// Without a usable directory nothing is held, and nothing lost.
func TestNoFolder(t *testing.T) {
	const size = 10 << 20
	dir := t.TempDir()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	s := New(tempfile.New(dir), size)
	source := bytes.NewReader(content(size))
	h, err := s.Put(t.Context(), source, size)
	if err != nil || h.Size != 0 || source.Len() != size {
		t.Errorf("held %d, %d left: %v", h.Size, source.Len(), err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// A file that takes no more leaves what was read in memory, and the rest in the source.
func TestFileTakesNoMore(t *testing.T) {
	const size = 10 << 20
	s := newSpool(t, size)
	file, err := s.dir.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := file.File.Close(); err != nil {
		t.Fatal(err)
	}
	h := &Entry{spool: s, file: file}
	source := bytes.NewReader(content(size))
	if err := s.store(t.Context(), h, source, size); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, h.Size)
	if _, err := io.ReadFull(h, got); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(source)
	if err != nil || h.Size == 0 || len(rest) == 0 || !bytes.Equal(append(got, rest...), content(size)) {
		t.Errorf("held %d, %d left: %v", h.Size, len(rest), err)
	}
}

// TestReadWhileClosed: an entry may be closed at any time.
func TestReadWhileClosed(t *testing.T) {
	s := New(tempfile.New(t.TempDir()), 1<<30)
	for range 200 {
		e, err := s.Put(t.Context(), bytes.NewReader(make([]byte, 4<<10)), 4<<10)
		if err != nil {
			t.Fatal(err)
		}
		started, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			var p [1]byte
			_, err := e.Read(p[:])
			close(started)
			for err == nil {
				_, err = e.Read(p[:])
			}
		}()
		<-started
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		<-done
	}
}

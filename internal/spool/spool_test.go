package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

func newSpool(t *testing.T, disk uint64) *Spool {
	t.Helper()
	dir := tempfile.New(t.TempDir())
	t.Cleanup(func() { _ = dir.Close() })
	return New(dir, disk, disk/2)
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
		var summed bytes.Buffer
		h, err := s.Put(t.Context(), source, int64(c.size), &summed)
		if err != nil || h.Size != int64(c.held) {
			t.Fatalf("%+v: held %d, %v", c, h.Size, err)
		}
		if !bytes.Equal(summed.Bytes(), want[:c.held]) {
			t.Errorf("%+v: %d bytes were summed", c, summed.Len())
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
	all := (s.size + blockSize - 1) / blockSize
	if !s.small.TryAcquire(memoryTotal) || !s.room.TryAcquire(all) {
		t.Error("room is missing")
	}
	s.small.Release(memoryTotal)
	s.room.Release(all)
	for _, store := range s.blocks.stores {
		slices.Sort(store.free)
		if free := slices.Compact(store.free); int64(len(free)) != store.size {
			t.Errorf("%d of %d blocks are free", len(free), store.size)
		}
	}
}

// Files wait for room, which reading makes: here for a second one of the spool's
// whole size.
func TestRoomIsGivenBackWhileReading(t *testing.T) {
	const size = 32 << 20
	s := newSpool(t, size)
	first, err := s.Put(t.Context(), bytes.NewReader(content(size)), size, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *Entry)
	go func() {
		h, err := s.Put(t.Context(), bytes.NewReader(content(size)), size, io.Discard)
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
		if _, err := s.Put(t.Context(), bytes.NewReader(content(memoryFile)), memoryFile, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, strings.NewReader("x"), 1, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
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
			if _, err := s.Put(t.Context(), source, announced, io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
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
	s := New(tempfile.New(dir), size, 0)
	source := bytes.NewReader(content(size))
	h, err := s.Put(t.Context(), source, size, io.Discard)
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
	for _, good := range []int64{0, 1, 4} { // blocks that are written before
		s := newSpool(t, size)
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		s.blocks.stores[0].most, s.blocks.stores[1].file = good, file
		source := bytes.NewReader(content(size))
		var summed bytes.Buffer
		h, err := s.Put(t.Context(), source, size, &summed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(summed.Bytes(), content(size)[:h.Size]) {
			t.Errorf("%d bytes of %d were summed", summed.Len(), h.Size)
		}
		got := make([]byte, h.Size)
		if _, err := io.ReadFull(h, got); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(source)
		if err != nil || h.Size <= good*blockSize || len(rest) == 0 || !bytes.Equal(append(got, rest...), content(size)) {
			t.Errorf("held %d, %d left: %v", h.Size, len(rest), err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		whole(t, s)
	}
}

// Whatever is read of them, and in whatever order they are closed, files do not get one
// another's blocks.
func TestBlocksAreReused(t *testing.T) {
	const size = memoryFile + 3*blockSize/2
	s := newSpool(t, 3*(size+blockSize))
	random := rand.New(rand.NewPCG(1, 2))
	var held []*Entry
	var marks []byte
	for n := range 200 {
		mark := byte(n)
		h, err := s.Put(t.Context(), bytes.NewReader(bytes.Repeat([]byte{mark}, size)), size, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		held, marks = append(held, h), append(marks, mark)
		if len(held) < 3 { // what there is room for, and one half read
			continue
		}
		k := random.IntN(3)
		part := make([]byte, random.Int64N(size))
		_, err = io.ReadFull(held[k], part)
		if own := bytes.Count(part, marks[k:k+1]); err != nil || own != len(part) {
			t.Fatalf("file %d: %d bytes of others, %v", n, len(part)-own, err)
		}
		if err := held[k].Close(); err != nil {
			t.Fatal(err)
		}
		held, marks = slices.Delete(held, k, k+1), slices.Delete(marks, k, k+1)
	}
	for _, h := range held {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	whole(t, s)
	if blocks := s.blocks.stores[0].size + s.blocks.stores[1].size; blocks > 3*(size/blockSize+1) {
		t.Errorf("%d blocks were made", blocks)
	}
}

// TestReadWhileClosed: an entry may be closed at any time.
func TestReadWhileClosed(t *testing.T) {
	s := New(tempfile.New(t.TempDir()), 1<<30, 0)
	for range 200 {
		e, err := s.Put(t.Context(), bytes.NewReader(make([]byte, 4<<10)), 4<<10, io.Discard)
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

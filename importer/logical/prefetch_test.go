package logical

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// touching restreams the outputs of processes that each leave a file when they run, and
// are quick.
func touching(t *testing.T, n, slots int) (streams []*dumpStream, ran func(i int) bool) {
	t.Helper()
	dir := t.TempDir()
	file := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	shared := make(chan struct{}, slots)
	for i := range n {
		one := newDumpStream(t.Context(), "", shared)
		one.small = true
		one.process = proc.NewStream(t.Context(), func(ctx context.Context) (proc.Command, error) {
			return proc.Command{Path: "/bin/sh", Args: []string{"-c", `: >"$0" && echo out`, file(i)}}, one.acquireSlot(ctx)
		})
		streams = append(streams, one)
		t.Cleanup(func() { _ = one.Close() })
	}
	return streams, func(i int) bool { _, err := os.Stat(file(i)); return err == nil }
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not within 10 s", what)
}

func TestPrefetch(t *testing.T) {
	streams, ran := touching(t, 5, 2)
	ended := make(chan struct{})
	go func() { defer close(ended); prefetch(t.Context(), streams[0], streams[1:], 2) }()
	eventually(t, "the globals and one dump run before they are read", func() bool { return ran(0) && ran(1) })
	// The last dump is read first: there is a slot for it, whatever waits.
	for _, i := range []int{0, 4, 1, 2, 3} {
		if out, err := io.ReadAll(streams[i]); err != nil || string(out) != "out\n" {
			t.Fatalf("output %d: %q, %v", i, out, err)
		}
		if i == 4 && ran(2) {
			t.Error("more ran ahead than there is room for")
		}
	}
	<-ended
}

// TestPrefetchUnread: what plakar closes unread makes room for the next.
func TestPrefetchUnread(t *testing.T) {
	streams, ran := touching(t, 3, 2)
	go prefetch(t.Context(), nil, streams, 2)
	for i, one := range streams {
		eventually(t, "a dump runs before it is read", func() bool { return ran(i) })
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrefetchAlone(t *testing.T) {
	streams, ran := touching(t, 2, 1)
	prefetch(t.Context(), streams[0], streams[1:], 1)
	if ran(0) || ran(1) {
		t.Error("with one process at a time none runs ahead")
	}
}

// TestSlotRestreams: a process that has ended takes none, though nobody reads it.
func TestSlotRestreams(t *testing.T) {
	streams, ran := touching(t, 3, 1)
	for i, one := range streams {
		go one.start()
		eventually(t, "a process runs", func() bool { return ran(i) })
	}
}

// TestAfter: what comes after another waits for its end, whether that is read or not.
func TestAfter(t *testing.T) {
	streams, ran := touching(t, 3, 3)
	streams[1].startAfter, streams[2].startAfter = streams[0], streams[1]
	go streams[1].start()
	go streams[2].start()
	time.Sleep(50 * time.Millisecond)
	if ran(1) || ran(2) {
		t.Error("it did not wait")
	}
	streams[0].start()
	eventually(t, "all run", func() bool { return ran(1) && ran(2) })

	streams, ran = touching(t, 2, 2)
	streams[1].startAfter = streams[0]
	go streams[1].start()
	if err := streams[0].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs after what plakar did not want", func() bool { return ran(1) })
}

// TestPrefetchOfParts is about two databases behind one in parts: postgres, shop in
// three parts, template1, test.
func TestPrefetchOfParts(t *testing.T) {
	streams, ran := touching(t, 6, 2)
	for i, one := range streams[1:4] {
		one.small, one.sharesSnapshot = false, i > 0
	}
	ended := make(chan struct{})
	go func() { defer close(ended); prefetch(t.Context(), nil, streams, 2) }()
	for i, one := range streams {
		// Behind a large database the next one would wait, with its locks.
		if i != 4 {
			eventually(t, "the next one runs before it is read", func() bool { return ran(i) })
		}
		for later := max(i+1, 4); later < len(streams); later++ {
			if ran(later) {
				t.Errorf("%d runs before %d is read", later, i)
			}
		}
		if _, err := io.ReadAll(one); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
}

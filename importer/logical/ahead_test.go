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

// touching returns the outputs of processes that each leave a file when they run.
func touching(t *testing.T, n, slots int) (turns []*turn, ran func(i int) bool) {
	t.Helper()
	dir := t.TempDir()
	file := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	shared := make(chan struct{}, slots)
	for i := range n {
		one := &turn{slots: shared, opened: make(chan struct{})}
		one.Stream = proc.NewStream(t.Context(), func(ctx context.Context) (proc.Command, error) {
			return proc.Command{Path: "/bin/sh", Args: []string{"-c", `: >"$0" && echo out`, file(i)}}, one.take(ctx)
		})
		turns = append(turns, one)
		t.Cleanup(func() { _ = one.Close() })
	}
	return turns, func(i int) bool { _, err := os.Stat(file(i)); return err == nil }
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

func TestBeginAhead(t *testing.T) {
	turns, ran := touching(t, 5, 2)
	ended := make(chan struct{})
	go func() { defer close(ended); beginAhead(t.Context(), turns[0], turns[1:], 2) }()
	eventually(t, "the globals and one dump run before they are read", func() bool { return ran(0) && ran(1) })
	// The last dump is read first: there is a slot for it, whatever waits.
	for _, i := range []int{0, 4, 1, 2, 3} {
		if out, err := io.ReadAll(turns[i]); err != nil || string(out) != "out\n" {
			t.Fatalf("output %d: %q, %v", i, out, err)
		}
		if i == 4 && ran(2) {
			t.Error("more ran ahead than there is room for")
		}
	}
	<-ended
}

// TestBeginAheadUnread: what plakar closes unread makes room for the next.
func TestBeginAheadUnread(t *testing.T) {
	turns, ran := touching(t, 3, 2)
	go beginAhead(t.Context(), nil, turns, 2)
	for i, one := range turns {
		eventually(t, "a dump runs before it is read", func() bool { return ran(i) })
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBeginAheadAlone(t *testing.T) {
	turns, ran := touching(t, 2, 1)
	beginAhead(t.Context(), turns[0], turns[1:], 1)
	if ran(0) || ran(1) {
		t.Error("with one process at a time none runs ahead")
	}
}

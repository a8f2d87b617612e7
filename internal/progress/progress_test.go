package progress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	for want, c := range map[string]struct {
		o           Operation
		bytes, more int64
	}{
		"dump: 1.0 GiB, 512 KiB/s":                               {Operation{Name: "dump"}, 1 << 30, 1 << 20},
		"dump: 50 MiB, 0 B/s, 50 % of the 100 MiB of the server": {Operation{Name: "dump", Total: 100 << 20, Of: "the %s of the server"}, 50 << 20, -5},
	} {
		if got := c.o.line(c.bytes, c.more, 2*time.Second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// log is what was logged.
type log struct {
	sync.Mutex
	bytes.Buffer
	lines chan struct{}
}

func (l *log) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	select {
	case l.lines <- struct{}{}:
	default:
	}
	return l.Buffer.Write(p)
}

func (l *log) text() string {
	l.Lock()
	defer l.Unlock()
	return l.String()
}

func TestReporter(t *testing.T) {
	said := &log{lines: make(chan struct{}, 1)}
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))

	New(0).Start(t.Context(), Operation{Bytes: func(context.Context) (int64, error) { panic("asked") }})()

	var counter Counter
	if _, err := io.Copy(io.Discard, counter.Reader(strings.NewReader("12345"))); err != nil {
		t.Fatal(err)
	}
	r := New(time.Millisecond)
	stop := r.Start(t.Context(), Operation{Name: "counted", Bytes: counter.Bytes})
	<-said.lines
	stop()
	stop()
	if !strings.Contains(said.text(), "progress: counted: 5 B, 0 B/s") {
		t.Errorf("said %q", said.text())
	}

	ctx, cancel := context.WithCancel(t.Context())
	r.Start(ctx, Operation{Name: "asked", Bytes: func(context.Context) (int64, error) { return 0, errors.New("busy") }})
	<-said.lines
	<-said.lines
	cancel()
	r.running.Wait() // the end of the context is enough

	r.Start(t.Context(), Operation{Name: "closed", Bytes: counter.Bytes})
	r.Close()
	if !strings.Contains(said.text(), "progress: asked: running, how far is not known: busy") {
		t.Errorf("said %q", said.text())
	}
}

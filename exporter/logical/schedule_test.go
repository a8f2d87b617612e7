package logical

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
)

// What was deferred waits for something that has not come when the restore is cancelled:
// it is never run, whoever asks.
func TestCancelledRunsNothing(t *testing.T) {
	gone := errors.New("plakar sent nonsense")
	for name, end := range map[string]func(context.Context, *Exporter) error{
		"finish": func(ctx context.Context, e *Exporter) error { return e.Finish(ctx) },
		"another record": func(ctx context.Context, e *Exporter) error {
			return e.Restore(ctx, &connectors.Record{Pathname: "/x", FileInfo: objects.FileInfo{Lname: "x", Lmode: 0o600}}, eof{}, func(error) {})
		},
		"background": func(ctx context.Context, e *Exporter) error {
			return e.tasks.start(ctx, 1, func(context.Context) error { t.Error("it was begun in the background"); return nil })
		},
		"after data": func(ctx context.Context, e *Exporter) (err error) {
			e.tasks.startAfter(ctx, func() {}, 1, func(context.Context) error { t.Error("it was begun after the data"); return nil }, func(reason error) { err = reason })
			e.tasks.wait()
			return err
		},
	} {
		e := newExporter(t, nil)
		e.server = &server.Server{}
		e.tasks.later(func(context.Context) error { t.Errorf("%s: what was deferred is run", name); return nil })
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(gone)
		if err := end(ctx, e); !errors.Is(err, gone) {
			t.Errorf("%s: %v, want %v", name, err, gone)
		}
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func newExporter(t *testing.T, settings map[string]string) *Exporter {
	t.Helper()
	all := map[string]string{"location": "postgres://u@127.0.0.1:1/"}
	for name, value := range settings {
		all[name] = value
	}
	target, err := New("postgres", all, nil)
	if err != nil {
		t.Fatal(err)
	}
	return target.(*Exporter)
}

// An aborted restore has ended when Abort returns, and nothing of it is begun any more.
func TestAbort(t *testing.T) {
	s := newScheduler(1, false)
	cause := errors.New("it failed")
	var ended error
	var mu sync.Mutex
	ctx, cancel := context.WithCancelCause(context.Background())
	err := s.start(ctx, 1, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		ended = context.Cause(ctx)
		return ended
	})
	if err != nil {
		t.Fatal(err)
	}
	s.later(func(context.Context) error { t.Error("what was deferred is run"); return nil })
	cancel(cause)
	s.abort()
	mu.Lock()
	defer mu.Unlock()
	if !errors.Is(ended, cause) {
		t.Errorf("it ended with %v", ended)
	}
	if err := s.runDeferred(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.start(context.Background(), 1, func(context.Context) error { t.Error("it was begun"); return nil }); !errors.Is(err, errStopped) {
		t.Errorf("%v: want %v", err, errStopped)
	}
}

// exit_on_error begins nothing more after an error, wherever that was.
func TestExitOnError(t *testing.T) {
	failing := func(context.Context) error { return errors.New("x") }
	for exitOnError, want := range map[bool]error{true: errStopped, false: nil} {
		s := newScheduler(2, exitOnError)
		if err := s.start(context.Background(), 4, failing); err != nil {
			t.Fatal(err)
		}
		s.wait()
		if err := s.start(context.Background(), 4, func(context.Context) error { return nil }); !errors.Is(err, want) {
			t.Errorf("exit_on_error %t: %v", exitOnError, err)
		}
		ran := 0
		s.later(failing)
		s.later(func(context.Context) error { ran++; return nil })
		if err := s.runDeferred(context.Background()); !errors.Is(err, want) || (ran == 0) != exitOnError {
			t.Errorf("exit_on_error %t: %v, %d tasks were run", exitOnError, err, ran)
		}
		s.wait()
	}
}

// Whether plakar was asked for a path is told by the directory that comes first.
func TestPathGiven(t *testing.T) {
	for name, c := range map[string]struct {
		info objects.FileInfo
		want bool
	}{
		"whole":     {objects.FileInfo{Lname: "/", Lmode: fs.ModeDir | 0o700, LmodTime: time.Now().Add(-time.Hour)}, false},
		"no time":   {objects.FileInfo{Lname: "/", Lmode: fs.ModeDir | 0o700}, false},
		"directory": {objects.FileInfo{Lname: "00001-shop", Lmode: fs.ModeDir | 0o700}, true},
		"file":      {objects.FileInfo{Lname: "/", Lmode: fs.ModeDir | 0o700, LmodTime: time.Now().Add(time.Second)}, true},
	} {
		e := newExporter(t, nil)
		e.noteDirectory(&connectors.Record{Pathname: "/", FileInfo: c.info})
		if e.pathGiven != c.want {
			t.Errorf("%s: %t", name, e.pathGiven)
		}
		if err := e.checkMissing(&e.options); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// fakeServer is a server whose program is a shell script, which finds its data directory in $2.
func fakeServer(t *testing.T, script string) *server {
	t.Helper()
	s := &server{scratch: &scratch{dir: filepath.Join(t.TempDir(), "scratch")}, tools: pgtools.Installation{Dir: t.TempDir(), Major: 17}}
	if err := os.MkdirAll(s.path(dataName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.tools.Path(pgtools.Postgres), []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Cleanup(func() { signal(s.dir, syscall.SIGKILL) })
	return s
}

// child is a process of a server that goes on when the first one is gone, and holds its output.
const child = "setsid sleep 600 &\n"

// within fails when something takes long, as what waits for the child does.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it goes on: " + what)
	}
}

// A server whose first process ends before it is ready is not waited for.
func TestStartEndsWithTheServer(t *testing.T) {
	s := fakeServer(t, child+"echo 'FATAL:  it is broken' >&2\nkill -9 $$\n")
	within(t, "the start", func() {
		if err := s.start(context.Background(), nil); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "it is broken") {
			t.Error(err)
		}
	})
	s.stop()
	if left := processesIn(s.dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What is done with a server ends with it, and says so.
func TestAliveEndsWithTheServer(t *testing.T) {
	s := fakeServer(t, child+`printf '%s\n' $$ d 0 0 s "" "" "ready   " > "$2/postmaster.pid"
		while [ -e "$2/postmaster.pid" ]; do sleep 0.05; done
		echo 'PANIC:  no more' >&2; exit 1`)
	within(t, "the start", func() {
		if err := s.start(context.Background(), nil); err != nil {
			t.Error(err)
		}
	})
	ctx, done := s.alive(context.Background())
	defer done()
	if ctx.Err() != nil {
		t.Error(context.Cause(ctx))
	}
	if err := os.Remove(s.path(pidName)); err != nil {
		t.Fatal(err)
	}
	within(t, "the context", func() { <-ctx.Done() })
	if err := context.Cause(ctx); !strings.Contains(err.Error(), "the server ended: PANIC: no more") {
		t.Error(err)
	}
}

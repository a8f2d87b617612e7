package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

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

// The shared memory of a server that was killed is removed, another's is not.
func TestRemoveSharedMemory(t *testing.T) {
	data := t.TempDir()
	const key, size = 0x506c616b, 4096
	id, err := unix.SysvShmGet(key, size, unix.IPC_CREAT|unix.IPC_EXCL|0o600)
	if err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		var segment unix.SysvShmDesc
		_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment)
		return err == nil
	}
	for _, c := range []struct {
		key   int
		there bool
	}{{key + 1, true}, {key, false}} {
		text := fmt.Sprintf("1\n%s\n0\n0\ns\n\n%9d %9d\nready   \n", data, c.key, id)
		if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		removeSharedMemory(data)
		if there() != c.there {
			t.Errorf("with the key %d: it is there: %v", c.key, !c.there)
		}
	}
	if there() {
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}

// Now and then a line says how far the check is.
func TestSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
		defer slog.SetDefault(before)
		c := &check{progress: new(progress)}
		stop := c.say()
		c.progress.rows.Add(1234)
		time.Sleep(progressInterval)
		synctest.Wait()
		stop()
		synctest.Wait()
		if !strings.Contains(said.String(), "read so far: 1,234 rows") {
			t.Error(said.String())
		}
	})
}

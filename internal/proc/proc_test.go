package proc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

func sh(script string) Command {
	return Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func stream(ctx context.Context, script string) *Stream {
	return NewStream(ctx, func(context.Context) (Command, error) { return sh(script), nil })
}

func TestStreamFillsTheBuffer(t *testing.T) {
	const size = 5<<20 + 123
	s := stream(context.Background(), "head -c "+strconv.Itoa(size)+" /dev/zero")
	buffer := make([]byte, 1<<20)
	total := 0
	for {
		n, err := s.Read(buffer)
		total += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n < len(buffer) && total < size {
			t.Fatalf("a Read returned %d bytes in the middle", n)
		}
	}
	if total != size {
		t.Errorf("%d bytes, want %d", total, size)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestEndIsTheExitStatus(t *testing.T) {
	s := stream(context.Background(), "printf data; echo 'went wrong' >&2; exit 3")
	out, err := io.ReadAll(s)
	var exit *Error
	if !errors.As(err, &exit) || exit.Status != "exit status 3" || exit.Stderr != "went wrong" || string(out) != "data" {
		t.Errorf("%q, %v", out, err)
	}
	if _, again := s.Read(make([]byte, 1)); !errors.Is(again, err) {
		t.Errorf("the error does not stay: %v", again)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close after the end: %v", err)
		}
	}
}

func TestNothingRunsBeforeTheFirstRead(t *testing.T) {
	s := NewStream(context.Background(), func(context.Context) (Command, error) {
		t.Error("started")
		return sh("true"), nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("a closed stream can be read")
	}
}

func TestStartFails(t *testing.T) {
	s := NewStream(context.Background(), func(context.Context) (Command, error) { return Command{Path: "/nonexistent/pg_dump"}, nil })
	if _, err := s.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "/nonexistent/pg_dump") {
		t.Error(err)
	}
}

// alive reports whether process pid exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func readPid(t *testing.T, s *Stream) int {
	t.Helper()
	line := make([]byte, 0, 16)
	b := make([]byte, 1)
	for {
		if _, err := s.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	pid, err := strconv.Atoi(string(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// endless prints the pid of a child of its own and goes on printing. The padding
// fills the blocks that the stream reads ahead.
const endless = `sleep 1000 & echo $!; while :; do head -c 1048576 /dev/zero; done`

func TestCloseStopsTheWholeGroup(t *testing.T) {
	s := stream(context.Background(), endless)
	child := readPid(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, child)
}

func TestCancelStopsTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := stream(ctx, endless)
	child := readPid(t, s)
	cancel()
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the cancellation", err)
	}
	gone(t, child)
}

func TestKillAll(t *testing.T) {
	s := stream(context.Background(), `trap '' TERM; `+endless)
	child := readPid(t, s)
	KillAll(context.Background())
	gone(t, child)
	if _, err := io.Copy(io.Discard, s); err == nil {
		t.Error("a killed process ended well")
	}
}

// gone waits for a process that was killed to be reaped by init.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); alive(pid) && !zombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// zombie reports whether the process has ended and nobody has waited for it, as in
// a container without an init.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && bytes.HasPrefix(after, []byte("Z"))
}

func TestStdin(t *testing.T) {
	c := sh("cat; exit 0")
	c.Stdin = strings.NewReader("through")
	if out, err := Output(context.Background(), c); out != "through" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

func TestFailingStdinStopsTheProcess(t *testing.T) {
	broken := errors.New("store unreachable")
	c := sh("cat >/dev/null; exit 0")
	c.Stdin = io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	if err := Run(context.Background(), c); !errors.Is(err, broken) {
		t.Errorf("%v, want the error of the input", err)
	}
}

func TestUnreadStdinIsNoFailure(t *testing.T) {
	c := sh("head -c 10 >/dev/null")
	c.Stdin = io.LimitReader(zeros{}, 8<<20)
	if err := Run(context.Background(), c); err != nil {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestStderrIsBounded(t *testing.T) {
	err := Run(context.Background(), sh(`echo first >&2; head -c 3000000 /dev/zero | tr '\0' '\377' >&2; echo last >&2; exit 1`))
	var exit *Error
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	text := exit.Stderr
	if len(text) > 16<<10 || !strings.HasPrefix(text, "first") || !strings.HasSuffix(text, "last") || strings.ToValidUTF8(text, "") != text {
		t.Errorf("%d bytes: %.40q ... %.40q", len(text), text, text[max(0, len(text)-40):])
	}
}

func TestRunLines(t *testing.T) {
	var lines []string
	err := RunLines(context.Background(), sh(`printf 'one\ntwo\r\nthree' >&2`), func(line string) { lines = append(lines, line) })
	if err != nil || strings.Join(lines, "|") != "one|two|three" {
		t.Errorf("%q, %v", lines, err)
	}
}

package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be a program that runs a worker, and the worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "front":
			status, err := Supervise("worker")
			if err != nil {
				fmt.Println(err)
				os.Exit(100)
			}
			os.Exit(status)
		case "worker":
			os.Exit(beWorker())
		}
	}
	os.Exit(m.Run())
}

// beWorker passes its input on, until that is "die"; it cleans up when the process in
// front is gone.
func beWorker() int {
	front := ParentGone()
	fmt.Println("ready")
	copied := make(chan error)
	go func() {
		_, err := io.Copy(os.Stdout, io.TeeReader(os.Stdin, dying{}))
		copied <- err
	}()
	select {
	case <-copied:
		return 7
	case <-front:
		if err := os.WriteFile(os.Getenv("CLEANED"), nil, 0o600); err != nil {
			return 101
		}
		return 8
	}
}

// dying kills the program when it is told to.
type dying struct{}

func (dying) Write(p []byte) (int, error) {
	if string(p) == "die" {
		return len(p), syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return len(p), nil
}

// startFront starts the program and waits for its worker.
func startFront(t *testing.T) (front *exec.Cmd, in io.WriteCloser, out *bufio.Reader, cleaned string) {
	t.Helper()
	cleaned = filepath.Join(t.TempDir(), "cleaned")
	front = exec.Command(os.Args[0], "front") //nolint:gosec // this test
	front.Env = append(os.Environ(), "CLEANED="+cleaned)
	front.Stderr = os.Stderr
	in, inErr := front.StdinPipe()
	r, outErr := front.StdoutPipe()
	if err := errors.Join(inErr, outErr, front.Start()); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewReader(r)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return front, in, out, cleaned
}

func exitStatus(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestWorkerHasInputAndOutput(t *testing.T) {
	front, in, out, cleaned := startFront(t)
	if _, err := io.WriteString(in, "through"); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(out); string(text) != "through" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if status := exitStatus(t, front); status != 7 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(cleaned); err == nil {
		t.Error("the worker thought that the front was gone")
	}
}

func TestWorkerOutlivesFront(t *testing.T) {
	for signal, status := range map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGTERM: 8} {
		front, in, out, cleaned := startFront(t)
		// As after Ctrl-C, which both get.
		if err := errors.Join(front.Process.Signal(syscall.SIGINT), front.Process.Signal(signal)); err != nil {
			t.Fatal(err)
		}
		end := time.AfterFunc(10*time.Second, func() {
			t.Error(signal, ": the worker goes on")
			_ = in.Close()
		})
		if _, err := io.ReadAll(out); err != nil {
			t.Error(err)
		}
		end.Stop()
		if got := exitStatus(t, front); got != status {
			t.Errorf("%v: status %d, want %d", signal, got, status)
		}
		if _, err := os.Stat(cleaned); err != nil {
			t.Errorf("%v: %v", signal, err)
		}
	}
}

// TestFrontHoldsItsConnection: its output ends with the process in front, not before,
// when the worker is killed.
func TestFrontHoldsItsConnection(t *testing.T) {
	front, in, out, _ := startFront(t)
	var messages strings.Builder
	if err := front.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "die"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(&messages, out)
		ended <- err
	}()
	select {
	case <-ended:
		t.Fatal("the output ended before the process in front")
	case <-time.After(500 * time.Millisecond):
	}
	if err := front.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if status := exitStatus(t, front); status != 100 {
		t.Errorf("status %d, want that of an error", status)
	}
	if text := messages.String(); !strings.Contains(text, "signal: killed") {
		t.Errorf("it does not say how the worker ended: %q", text)
	}
}

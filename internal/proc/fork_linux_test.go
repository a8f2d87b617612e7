package proc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// The kernel takes the end of the thread that started a process for that of its parent.
func TestProcessOutlivesThread(t *testing.T) {
	s := stream(context.Background(), "echo $$; head -c 4194304 /dev/zero; while :; do sleep 0.05; done")
	started := make(chan int)
	var onThread func()
	onThread = func() {
		// The thread ends with a goroutine that has not unlocked it; the main one does not.
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			defer runtime.UnlockOSThread()
			other := make(chan struct{})
			go func() {
				defer close(other)
				onThread()
			}()
			<-other
			return
		}
		started <- readPid(t, s)
	}
	go onThread()
	pid := <-started
	time.Sleep(300 * time.Millisecond)
	if !alive(pid) || zombie(pid) {
		t.Errorf("process %d ended with the thread that started it", pid)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A process that has ended keeps its id while its output goes on, so that no signal
// meant for its group reaches another one.
func TestIDIsHeldUntilTheStreamsEnd(t *testing.T) {
	p, err := start(context.Background(), sh("setsid sleep 1 & exit 0"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pid := p.cmd.Process.Pid
	for deadline := time.Now().Add(5 * time.Second); !zombie(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is not held: its id is free while its output goes on", pid)
		}
	}
	select {
	case <-p.done:
		t.Fatal("the output had ended: the test shows nothing")
	default:
	}
	<-p.done
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
		t.Errorf("process %d was not reaped", pid)
	}
	if err := p.signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal is sent to an id that may be another's: %v", err)
	}
}

// A time limit ends what KillAll waits for.
func TestKillAllHasADeadline(t *testing.T) {
	s := stream(context.Background(), `trap '' TERM; `+endless)
	child := readPid(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	KillAll(ctx)
	if took := time.Since(begin); took > shutdown.TerminateTimeout/2 {
		t.Errorf("it took %s", took)
	}
	gone(t, child)
	_ = s.Close()
}

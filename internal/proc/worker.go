package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// parentFD is the number of the file that tells a worker whether the process in
// front of it is there: a pipe that nobody writes to.
const parentFD = 3

// Supervise runs this program once more, with args, its standard input, output and
// error, and returns its exit status when it has ended; that a signal ended it is an
// error. Killing the caller does not kill the worker, whose ParentGone tells it: so it can end
// its processes and sessions and remove its files, which a program that gets SIGKILL
// cannot. SIGTERM tells it as well.
//
// Who is at the other end of input and output sees their end when the caller exits. If
// it saw the end of a killed worker before that, plakar would call exec.Cmd.Wait twice
// at once, of which one call never returns, and hang.
// Source: Close in plugins/stdioconn.go of plakar v1.1.4
func Supervise(args ...string) (status int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding the plugin's own program: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", program, err)
	}
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP)
	cmd := exec.Command(program, args...) // #nosec G204 -- this program
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{r}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", program, err)
	}
	err = r.Close()
	go func() {
		<-terminate
		_ = w.Close()
	}()
	var exit *exec.ExitError
	if waitErr := cmd.Wait(); waitErr != nil && (!errors.As(waitErr, &exit) || !exit.Exited()) {
		err = errors.Join(err, fmt.Errorf("the plugin's worker: %w", waitErr))
	}
	return cmd.ProcessState.ExitCode(), err
}

// ParentGone returns, in a worker, a channel that is closed when the process that called
// Supervise has ended, or got SIGTERM.
func ParentGone() <-chan struct{} {
	syscall.CloseOnExec(parentFD)
	parent := os.NewFile(parentFD, "parent")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, parent)
	}()
	return gone
}

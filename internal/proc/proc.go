package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// Command describes a process to start.
type Command struct {
	Path string
	Args []string // without the program's name
	Env  []string // the whole environment
	Dir  string   // working directory; "" for our own

	// User is whom the process runs as; nil for our own user. Only root can choose.
	User *User
	// StopSignal asks the process to end; 0 is SIGTERM.
	StopSignal syscall.Signal

	// Stdin is what the process reads; nil for nothing. An error of its own,
	// other than io.EOF, stops the process and becomes the process' error.
	Stdin io.Reader

	// OnStderr is given what a process printed on stderr although it ended well; nil to
	// discard that.
	OnStderr func(text string)

	// OnStderrLine is given each line that a process prints on stderr when it comes, by
	// another goroutine, and is kept for the Error all the same; nil for nothing.
	OnStderrLine func(line string)

	// OnExit is called when the process has ended, while its output may go on: what it started
	// itself, in process groups of their own, may hold that. nil for nothing.
	OnExit func()
}

// User is a user and group. A process that runs as one is in no other group.
type User struct{ UID, GID int }

// Name is the program's name without its directory.
func (c Command) Name() string { return filepath.Base(c.Path) }

// Error says how a process failed.
type Error struct {
	Name   string // program
	Status string // "exit status 1", "signal: killed", ...
	Stderr string // what it printed, shortened, valid UTF-8
}

func (e *Error) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %s", e.Name, e.Status)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Name, e.Stderr, e.Status)
}

// running keeps every live process, for KillAll.
var running sync.Map // *process -> struct{}

// KillAll ends every process that is still running and returns when none is left. They
// are asked to end and, where that does not help within shutdown.TerminateTimeout or until ctx is
// done, killed. It is for the end of the plugin, when nobody reads their output any more.
func KillAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdown.TerminateTimeout)
	defer cancel()
	running.Range(func(key, _ any) bool {
		p := key.(*process)
		_ = p.signal(p.stop)
		return true
	})
	running.Range(func(key, _ any) bool {
		p := key.(*process)
		select {
		case <-p.done:
		case <-ctx.Done():
			_ = p.signal(syscall.SIGKILL)
			<-p.done
		}
		return true
	})
}

// Run runs c and discards its stdout.
func Run(ctx context.Context, c Command) error {
	return RunLines(ctx, c, nil)
}

// RunLines is Run, with each line of stderr given to onLine.
func RunLines(ctx context.Context, c Command, onLine func(string)) error {
	p, err := start(ctx, c, nil, onLine)
	if err != nil {
		return err
	}
	<-p.done
	return p.err
}

// Output runs c and returns what it printed.
func Output(ctx context.Context, c Command) (string, error) {
	s := NewStream(ctx, func(context.Context) (Command, error) { return c, nil })
	out, err := io.ReadAll(s)
	return string(out), errors.Join(err, s.Close())
}

// LookPath finds a program on PATH.
func LookPath(name string) (string, error) { return exec.LookPath(name) }

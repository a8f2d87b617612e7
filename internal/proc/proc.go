package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

const (
	// waitDelay is how long after a process' end its input may take to notice, which
	// a slow store feeds, and its children to close its output.
	waitDelay = 5 * time.Minute
	// feedBlock is how much a process is given at once, in bytes.
	feedBlock = 256 << 10
)

// Command describes a process to start.
type Command struct {
	Path string
	Args []string // without the program's name
	Env  []string // the whole environment

	// StopSignal is the signal that asks the process to end; 0 for SIGTERM.
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
}

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

type process struct {
	name   string
	stop   syscall.Signal
	cmd    *exec.Cmd
	feed   *stdinReader // nil without Stdin
	warn   func(string)
	stderr *stderrBuffer
	done   chan struct{} // closed when err is set
	err    error
}

// start starts c. The process ends when ctx does. onLine, if not nil, is given
// each line of stderr instead of its being kept for the Error.
func start(ctx context.Context, c Command, stdout *os.File, onLine func(string)) (*process, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	cmd := exec.CommandContext(ctx, c.Path, c.Args...) // #nosec G204 -- argv, no shell
	p := &process{name: c.Name(), stop: cmp.Or(c.StopSignal, syscall.SIGTERM), cmd: cmd, warn: c.OnStderr, stderr: newStderrBuffer(c, onLine), done: make(chan struct{})}
	cmd.Env = c.Env
	if c.Stdin != nil {
		p.feed = &stdinReader{r: c.Stdin, cancel: cancel}
		cmd.Stdin = p.feed
	}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.Stderr = p.stderr
	cmd.SysProcAttr = attributes(p.stop)
	cmd.Cancel = func() error {
		time.AfterFunc(shutdown.TerminateTimeout, p.killIfRunning)
		return p.signal(p.stop)
	}
	cmd.WaitDelay = waitDelay
	if err := cmd.Start(); err != nil {
		cancel(nil)
		return nil, fmt.Errorf("starting %s: %w", c.Path, err)
	}
	running.Store(p, struct{}{})
	go func() {
		p.wait(ctx)
		cancel(nil)
	}()
	return p, nil
}

// wait reaps the process and records how it ended.
func (p *process) wait(ctx context.Context) {
	err := p.cmd.Wait()
	// What the process started itself must not outlive it.
	_ = p.signal(syscall.SIGKILL)
	p.stderr.flush()
	running.Delete(p)
	var exit *exec.ExitError
	switch {
	case p.feed.failure() != nil:
		p.err = p.feed.failure()
	case err == nil:
		if text := p.stderr.String(); text != "" && p.warn != nil {
			p.warn(text)
		}
	case ctx.Err() != nil:
		p.err = fmt.Errorf("%s was stopped: %w", p.name, context.Cause(ctx))
	case errors.As(err, &exit):
		p.err = &Error{Name: p.name, Status: exit.String(), Stderr: p.stderr.String()}
	default:
		p.err = fmt.Errorf("running %s: %w", p.name, err)
	}
	close(p.done)
}

// killIfRunning kills what is left of the process group unless all has ended.
func (p *process) killIfRunning() {
	select {
	case <-p.done:
	default:
		_ = p.signal(syscall.SIGKILL)
	}
}

// signal sends sig to the process group.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// KillAll ends every process that is still running and returns when none is left.
// It is for the end of the plugin, when nobody reads their output any more.
func KillAll() {
	running.Range(func(key, _ any) bool {
		p := key.(*process)
		_ = p.signal(p.stop)
		return true
	})
	deadline := time.Now().Add(shutdown.TerminateTimeout)
	running.Range(func(key, _ any) bool {
		p := key.(*process)
		select {
		case <-p.done:
		case <-time.After(time.Until(deadline)):
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

// stdinReader is the input of a process, which it stops when reading fails: the process
// would take the end of its input for the end of the data.
type stdinReader struct {
	r      io.Reader
	cancel context.CancelCauseFunc

	mu  sync.Mutex
	err error
}

func (f *stdinReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading the data to restore: %w", err)
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
		f.cancel(err)
	}
	return n, err
}

// WriteTo implements io.WriterTo, for os/exec, whose own blocks and pipe are small.
func (f *stdinReader) WriteTo(w io.Writer) (int64, error) {
	if file, ok := w.(*os.File); ok {
		SetPipeSize(file)
	}
	// Without their other methods, which io.CopyBuffer would use in place of the buffer.
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, feedBlock))
}

func (f *stdinReader) failure() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// LookPath finds a program on PATH.
func LookPath(name string) (string, error) { return exec.LookPath(name) }

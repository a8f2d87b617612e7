package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// waitDelay is how long after a process' end its input may take to notice, which a slow
// store feeds, and its children to close its output.
const waitDelay = 5 * time.Minute

// errUnfinished is the error of a process that ended well while its input or output
// went on for more than waitDelay.
var errUnfinished = errors.New("its input or output did not end with it")

// process is a running command. It leads a process group, whose id is its own.
type process struct {
	name   string
	stop   syscall.Signal
	cmd    *exec.Cmd
	stdin  *stdinReader // nil without Stdin
	warn   func(string)
	onExit func()
	stderr *stderrBuffer

	pipes   []io.Closer    // our ends of stdin and stderr
	streams sync.WaitGroup // of the goroutines that serve them

	mu     sync.Mutex
	reaped bool // its id, and that of its group, may be another's

	done chan struct{} // closed when err is set
	err  error
}

// start starts c. The process ends when ctx does. onLine, if not nil, is given
// each line of stderr instead of its being kept for the Error.
func start(ctx context.Context, c Command, stdout *os.File, onLine func(string)) (*process, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &process{
		name: c.Name(), stop: cmp.Or(c.StopSignal, syscall.SIGTERM), warn: c.OnStderr, onExit: c.OnExit,
		cmd:    exec.Command(c.Path, c.Args...), // #nosec G204 -- argv, no shell
		stderr: newStderrBuffer(c, onLine), done: make(chan struct{}),
	}
	p.cmd.Env, p.cmd.Dir, p.cmd.SysProcAttr = c.Env, c.Dir, attributes(p.stop)
	if c.User != nil {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.User.UID), Gid: uint32(c.User.GID)} // #nosec G115 -- of 32 bits
	}
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if c.Stdin != nil {
		p.stdin = &stdinReader{r: c.Stdin, cancel: cancel}
	}
	if err := p.fork(ctx); err != nil {
		cancel(nil)
		return nil, fmt.Errorf("starting %s: %w", c.Path, err)
	}
	running.Store(p, struct{}{})
	unwatch := context.AfterFunc(ctx, p.terminate)
	go func() {
		p.wait(ctx)
		unwatch()
		cancel(nil)
	}()
	return p, nil
}

// fork starts the process with pipes for its stdin and stderr.
func (p *process) fork(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stderr, p.pipes = w, []io.Closer{r}
	theirs := []io.Closer{w}
	var in *os.File
	if p.stdin != nil {
		theirEnd, ourEnd, err := os.Pipe()
		if err != nil {
			return errors.Join(err, r.Close(), w.Close())
		}
		in, p.cmd.Stdin = ourEnd, theirEnd
		p.pipes, theirs = append(p.pipes, ourEnd), append(theirs, theirEnd)
	}
	err = fork(p.cmd)
	closeAll(theirs)
	if err != nil {
		closeAll(p.pipes)
		return err
	}
	p.streams.Go(func() {
		_, _ = io.Copy(p.stderr, r)
		_ = r.Close()
	})
	if in != nil {
		// Who does not read all of its input fails by its exit status, if that matters.
		p.streams.Go(func() {
			_, _ = p.stdin.WriteTo(in)
			_ = in.Close()
		})
	}
	return nil
}

func closeAll(files []io.Closer) {
	for _, f := range files {
		_ = f.Close()
	}
}

// wait waits for the end of the process and its streams, reaps it and records how it
// ended.
func (p *process) wait(ctx context.Context) {
	finished := true
	held := awaitExit(p.cmd.Process.Pid)
	if held {
		finished = p.awaitStreams()
	}
	err := p.reap(held)
	if !held {
		finished = p.awaitStreams()
	}
	p.stderr.flush()
	running.Delete(p)
	p.err = p.outcome(ctx, err, finished)
	close(p.done)
}

// awaitStreams waits, when the process has ended, for the end of stdin and stderr, within
// waitDelay.
func (p *process) awaitStreams() (finished bool) {
	if p.onExit != nil {
		p.onExit()
	}
	ended := make(chan struct{})
	go func() {
		p.streams.Wait()
		close(ended)
	}()
	limit := time.NewTimer(waitDelay)
	defer limit.Stop()
	select {
	case <-ended:
		return true
	case <-limit.C:
		closeAll(p.pipes)
		return false
	}
}

// reap ends what the process started itself, which must not outlive it, and frees its
// id. held says that it has ended and is still there.
func (p *process) reap(held bool) error {
	var err error
	if !held {
		err = p.cmd.Wait()
	}
	_ = p.signal(syscall.SIGKILL)
	p.mu.Lock()
	defer p.mu.Unlock()
	if held {
		err = p.cmd.Wait()
	}
	p.reaped = true
	return err
}

// outcome is how the process ended: what broke its input counts most.
func (p *process) outcome(ctx context.Context, err error, finished bool) error {
	var exit *exec.ExitError
	switch {
	case p.stdin.failure() != nil:
		return p.stdin.failure()
	case err == nil && !finished:
		return fmt.Errorf("running %s: %w", p.name, errUnfinished)
	case err == nil:
		if text := p.stderr.String(); text != "" && p.warn != nil {
			p.warn(text)
		}
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s was stopped: %w", p.name, context.Cause(ctx))
	case errors.As(err, &exit):
		return &Error{Name: p.name, Status: exit.String(), Stderr: p.stderr.String()}
	}
	return fmt.Errorf("running %s: %w", p.name, err)
}

// terminate asks the process group to end, and ends it when that does not help.
func (p *process) terminate() {
	_ = p.signal(p.stop)
	limit := time.NewTimer(shutdown.TerminateTimeout)
	defer limit.Stop()
	select {
	case <-p.done:
	case <-limit.C:
		_ = p.signal(syscall.SIGKILL)
	}
}

// signal sends sig to the process group, unless its id may be another's by now.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.cmd.Process.Pid, sig)
}

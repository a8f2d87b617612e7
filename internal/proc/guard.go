package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// dismissal is what a guard is told that has nothing to do.
const dismissal = "dismissed"

// Guard is this program once more, in a session of its own: it does something when the
// caller ends, whatever ends it, SIGKILL included.
type Guard struct {
	lifeline *os.File
	done     chan struct{} // closed when err is set
	err      error
}

// StartGuard runs this program with args, which has to call AwaitGuarded.
func StartGuard(args ...string) (*Guard, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the plugin's own program: %w", err)
	}
	r, w, err := os.Pipe() // no other process inherits our end
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	var output strings.Builder
	cmd := exec.Command(program, args...) // #nosec G204 -- this program
	cmd.Stdin, cmd.Stdout, cmd.Dir = r, &output, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), w.Close())
	}
	g := &Guard{lifeline: w, done: make(chan struct{})}
	go func() {
		defer close(g.done)
		if err := cmd.Wait(); err != nil {
			g.err = fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
		}
	}()
	return g, nil
}

// Release lets the guard do what it is for, and waits until it has, or ctx is done: then it
// goes on by itself.
func (g *Guard) Release(ctx context.Context) error {
	err := g.lifeline.Close()
	select {
	case <-g.done:
		return errors.Join(err, g.err)
	case <-ctx.Done():
		return errors.Join(err, context.Cause(ctx))
	}
}

// Dismiss ends the guard, which does nothing.
func (g *Guard) Dismiss() error {
	_, err := io.WriteString(g.lifeline, dismissal)
	err = errors.Join(err, g.lifeline.Close())
	<-g.done
	return errors.Join(err, g.err)
}

// AwaitGuarded returns, in a guard, when who started it has ended or released it. It reports
// whether there is something to do.
func AwaitGuarded() bool {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	text, err := io.ReadAll(os.Stdin)
	return err != nil || string(text) != dismissal
}

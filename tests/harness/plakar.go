package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commandTimeout ends a plakar command that hangs.
const commandTimeout = 10 * time.Minute

// Plakar drives the plakar command with a home and a store of its own, in
// which the package is installed.
type Plakar struct {
	Home  string   // $HOME of the commands
	Temp  string   // $TMPDIR of the commands: empty when nothing was left behind
	Store string   // directory of the store
	Env   []string // added to the environment of every command

	tb     testing.TB
	binary string
	known  map[string]bool // the snapshots that were returned so far
}

// Result is what a command has said, and its exit status: -1 when a signal
// ended it.
type Result struct {
	Stdout, Stderr string
	ExitCode       int
}

// Output is everything that the command has said.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// Message is the same with quotes as they were meant: when plakar says no more than
// "EOF", because it was still sending, our message is in a line of the log, which
// escapes them.
func (r Result) Message() string { return strings.ReplaceAll(r.Output(), `\"`, `"`) }

// NewPlakar makes a home, a store without encryption, and installs the
// package. All goes when the test ends.
func NewPlakar(tb testing.TB) *Plakar {
	tb.Helper()
	pkg := Package(tb)
	p := NewBarePlakar(tb)
	p.install(pkg)
	return p
}

// NewBarePlakar is NewPlakar without the package.
func NewBarePlakar(tb testing.TB) *Plakar {
	tb.Helper()
	begin(tb)
	binary := PlakarBinary(tb)
	base, err := os.MkdirTemp("", "plk-") // short: there is a socket below it
	must(tb, err)
	p := &Plakar{
		Home: filepath.Join(base, "home"), Temp: filepath.Join(base, "tmp"), Store: filepath.Join(base, "store"),
		tb: tb, binary: binary, known: make(map[string]bool),
	}
	tb.Cleanup(func() { removeBusy(base) })
	must(tb, os.Mkdir(p.Temp, 0o700))
	p.furnish()
	return p
}

// removeBusy removes a directory in which plakar's cache daemon may still
// work for a moment.
func removeBusy(dir string) {
	for range 20 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// environ is made from scratch: nothing of the user's plakar, libpq or AWS
// settings gets in.
func (p *Plakar) environ() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.Home, "TMPDIR=" + p.Temp, "PLAKAR_REPOSITORY=" + p.Store,
		"LC_ALL=C.UTF-8", "TZ=UTC",
	}, p.Env...)
}

// Process is a running plakar command.
type Process struct {
	PID int

	proc           *process
	stdout, stderr bytes.Buffer
}

// Command is a command that has not been started.
func (p *Plakar) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.binary, args...) //nolint:gosec // the command under test
	cmd.Env = p.environ()
	cmd.Dir = p.Home
	return cmd
}

// Start starts a command and returns at once. What still runs when the test
// ends is killed.
func (p *Plakar) Start(args ...string) *Process {
	p.tb.Helper()
	r := &Process{}
	cmd := p.Command(args...)
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	// A grandchild may hold the pipes; a dead command's output is complete enough.
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = clientAttr()
	proc, err := launch(cmd)
	must(p.tb, err)
	r.proc, r.PID = proc, cmd.Process.Pid
	p.tb.Cleanup(r.Kill)
	return r
}

// Signal sends a signal to the command alone, not to its children.
func (r *Process) Signal(signal syscall.Signal) { _ = r.proc.cmd.Process.Signal(signal) }

// Interrupt does what Ctrl-C does: SIGINT for the command and its children.
func (r *Process) Interrupt() { _ = syscall.Kill(-r.PID, syscall.SIGINT) }

// Kill ends the command with SIGKILL, and waits for its end.
func (r *Process) Kill() {
	r.Signal(syscall.SIGKILL)
	<-r.proc.done
}

// Wait waits for the command's end.
func (r *Process) Wait() Result {
	<-r.proc.done
	return Result{r.stdout.String(), r.stderr.String(), r.proc.cmd.ProcessState.ExitCode()}
}

// WaitFor is Wait with a limit; ok is false when the command still runs.
func (r *Process) WaitFor(limit time.Duration) (result Result, ok bool) {
	select {
	case <-r.proc.done:
		return r.Wait(), true
	case <-time.After(limit):
		return Result{}, false
	}
}

// Run runs a command to its end.
func (p *Plakar) Run(args ...string) Result {
	p.tb.Helper()
	r := p.Start(args...)
	result, ok := r.WaitFor(commandTimeout)
	if !ok {
		r.Kill()
		result = r.Wait()
		p.tb.Fatalf("plakar %q hangs:\n%s", args, result.Output())
	}
	return result
}

// MustRun is Run for a command that has to succeed.
func (p *Plakar) MustRun(args ...string) Result {
	p.tb.Helper()
	result := p.Run(args...)
	if result.ExitCode != 0 {
		p.tb.Fatalf("plakar %q: exit status %d\n%s", args, result.ExitCode, result.Output())
	}
	return result
}

// MustFail is Run for a command that has to exit with status 1.
func (p *Plakar) MustFail(args ...string) Result {
	p.tb.Helper()
	result := p.Run(args...)
	if result.ExitCode != 1 {
		p.tb.Fatalf("plakar %q: exit status %d, want 1\n%s", args, result.ExitCode, result.Output())
	}
	return result
}

// LeftBehind returns an error that names what the commands left in the
// directory for temporary files.
func (p *Plakar) LeftBehind() error {
	entries, err := os.ReadDir(p.Temp)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, fmt.Errorf("left behind: %s", entry.Name()))
	}
	return errors.Join(errs...)
}

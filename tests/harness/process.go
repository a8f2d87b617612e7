package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mode is how a server is stopped.
type Mode string

// The modes of pg_ctl stop, and Crash: the postmaster is killed with SIGKILL.
const (
	Smart     Mode = "smart"
	Fast      Mode = "fast"
	Immediate Mode = "immediate"
	Crash     Mode = "crash"
)

var stopSignals = map[Mode]syscall.Signal{
	Smart: syscall.SIGTERM, Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT, Crash: syscall.SIGKILL,
}

// process is a running child and, once done is closed, how it ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Stop stops the server and waits until it has gone. A server that is not
// running is left alone.
func (s *Server) Stop(mode Mode) {
	if s.proc == nil {
		return
	}
	signal, ok := stopSignals[mode]
	if !ok {
		panic("harness: unknown stop mode " + string(mode))
	}
	if mode == Crash {
		s.killPostmaster()
	} else {
		_ = s.proc.cmd.Process.Signal(signal)
	}
	select {
	case <-s.proc.done:
	case <-time.After(60 * time.Second):
		_ = s.proc.cmd.Process.Kill()
		<-s.proc.done
	}
	s.proc = nil
}

// killPostmaster sends SIGKILL, which a program that runs a container could not
// pass on, to the process that postmaster.pid names.
func (s *Server) killPostmaster() {
	select {
	case <-s.proc.done: // the file may be of a process that has gone
		return
	default:
	}
	content, err := os.ReadFile(filepath.Join(s.DataDir, "postmaster.pid"))
	first, _, _ := strings.Cut(string(content), "\n")
	pid, perr := strconv.Atoi(first)
	if err != nil || perr != nil || pid <= 1 {
		_ = s.proc.cmd.Process.Kill()
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func startServer(s *Server) (*process, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	args := append([]string{"-D", s.DataDir, "-p", strconv.Itoa(s.Port)}, s.args...)
	cmd, err := serverCommand(s.BinDir, s.base, "postgres", args...)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	return launch(cmd)
}

// initdb makes a data directory at path, owned by the server's user.
func initdb(binDir, path string, args []string) error {
	parent := filepath.Dir(path)
	pwfile := filepath.Join(parent, "pw")
	if err := os.WriteFile(pwfile, []byte(DefaultPassword+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwfile) }()
	if err := giveAway(pwfile); err != nil {
		return err
	}
	all := append([]string{
		"-D", path, "-U", Superuser, "--pwfile", pwfile, "-A", "scram-sha-256", "--no-sync",
		"-E", "UTF8", "--locale", "C.UTF-8", "--no-instructions",
	}, args...)
	cmd, err := serverCommand(binDir, parent, "initdb", all...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func serverEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// launch starts cmd and waits for it in the background. All children are
// started from one thread that lives as long as the process: the kernel sends
// a child its parent-death signal when the thread that made it ends.
func launch(cmd *exec.Cmd) (*process, error) {
	answer := make(chan error)
	startLauncher()
	launches <- func() { answer <- cmd.Start() }
	if err := <-answer; err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

var (
	launches      = make(chan func())
	startLauncher = sync.OnceFunc(func() {
		go func() {
			runtime.LockOSThread()
			for f := range launches {
				f()
			}
		}()
	})
)

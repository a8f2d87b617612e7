package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// guardCommand makes this program a guard. A guard removes the container when
// its parent has gone without a word: it holds the other end of a pipe.
const guardCommand = "guard"

// aftermath is how long a guard looks for a container: the engine may still be
// making it when the one who asked for it has died.
const aftermath = 2 * time.Second

// farewell is what the guard is told when nothing is left to do.
const farewell = "done"

// warden is the parent's end.
type warden struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// startGuard starts a guard in a session of its own, which no Ctrl-C reaches.
func startGuard(name string) (*warden, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	cmd := exec.Command(self, guardCommand, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	return &warden{cmd, pipe}, nil
}

// dismiss ends the guard: the container has gone.
func (w *warden) dismiss() error {
	_, err := io.WriteString(w.pipe, farewell)
	return errors.Join(err, w.leave())
}

// leave lets the guard do its work, and waits for it.
func (w *warden) leave() error {
	return errors.Join(w.pipe.Close(), w.cmd.Wait())
}

// guard waits for the end of the parent and removes the container unless the
// parent has said that it has gone.
func guard(parent io.Reader, name string) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	word, err := io.ReadAll(parent)
	if err == nil && string(word) == farewell {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("removing container %s: %w", name, err)
	}
	defer func() { _ = docker.Close() }()
	for deadline := time.Now().Add(aftermath); ; time.Sleep(100 * time.Millisecond) {
		_, err := docker.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil, errdefs.IsConflict(err): // conflict: the engine removes it already
			return nil
		case !errdefs.IsNotFound(err):
			return fmt.Errorf("removing container %s: %w", name, err)
		case time.Now().After(deadline):
			return nil // it was never made, or has ended by itself
		}
	}
}

// pass sends a signal to the program; one that has just ended needs none.
func pass(ctx context.Context, api client.APIClient, id string, sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("unknown signal %v", sig)
	}
	_, err := api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: fmt.Sprint(int(number))})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

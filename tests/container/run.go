package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

const (
	// shmSize is for parallel queries; the engine's default is 64 MiB.
	shmSize = 256 << 20
	// createLimit is for pulling an image; testcontainers retries for 15 minutes.
	createLimit = 10 * time.Minute
)

// run runs the program to its end and returns its exit status. A signal that
// comes before it runs ends us in its place.
func (s spec) run(ctx context.Context, signals <-chan os.Signal) (status int, err error) {
	provider, err := connect(ctx)
	if err != nil {
		return notRun, err
	}
	defer func() { err = errors.Join(err, provider.Close()) }()
	name := "pgtest-" + strings.ToLower(rand.Text())
	g, err := startGuard(name)
	if err != nil {
		return notRun, err
	}
	creating, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	creating, cancel := context.WithTimeout(creating, createLimit)
	ctr, err := provider.CreateContainer(creating, s.request(name))
	cancel()
	stop()
	if err != nil {
		// Whether the container is there is unknown: the guard will see.
		return notRun, errors.Join(fmt.Errorf("making a container of %s: %w", s.image, err), g.leave())
	}
	status, err = follow(ctx, provider.Client(), ctr, signals)
	if err != nil {
		return notRun, errors.Join(fmt.Errorf("running %s in %s: %w", s.argv[0], s.image, err), g.leave())
	}
	return status, g.dismiss()
}

// connect connects to the container engine.
func connect(ctx context.Context) (*testcontainers.DockerProvider, error) {
	// Without the name of the default network it would make another one.
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge))
	if err == nil {
		err = provider.Health(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("no container engine answers: %w\nhint: is Docker running, and may this user use it?", err)
	}
	return provider, nil
}

func check(ctx context.Context) error {
	provider, err := connect(ctx)
	if err != nil {
		return err
	}
	return provider.Close()
}

// request describes the container. It shares the machine's network and process
// IDs: ports, postmaster.pid and kill mean the same inside and outside.
func (s spec) request(name string) testcontainers.ContainerRequest {
	req := testcontainers.ContainerRequest{
		Image: s.image, Name: name, Env: s.env,
		Entrypoint: s.argv[:1], Cmd: s.argv[1:],
		ConfigModifier: func(c *container.Config) {
			c.User, c.WorkingDir = s.user, s.dir
			c.AttachStdout, c.AttachStderr = true, true
		},
		HostConfigModifier: func(h *container.HostConfig) {
			h.NetworkMode, h.PidMode, h.UsernsMode = "host", "host", "host"
			h.AutoRemove = true
			h.ShmSize = shmSize
			h.LogConfig = container.LogConfig{Type: "none"} // attached to, never asked for later
			for _, dir := range s.mounts {
				h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: dir, Target: dir})
			}
		},
	}
	if uid, gid, ok := strings.Cut(s.user, ":"); ok && uid != "0" {
		// initdb refuses a user who has no name.
		passwd := fmt.Sprintf("root:x:0:0::/root:/bin/sh\npostgres:x:%s:%s::%s:/bin/sh\n", uid, gid, s.dir)
		req.Files = []testcontainers.ContainerFile{{
			Reader: strings.NewReader(passwd), ContainerFilePath: "/etc/passwd", FileMode: 0o644,
		}}
	}
	return req
}

// follow starts the program, passes signals on, and waits until the engine has
// removed the container.
func follow(ctx context.Context, api client.APIClient, ctr testcontainers.Container, signals <-chan os.Signal) (int, error) {
	id := ctr.GetContainerID()
	output, err := api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return notRun, err
	}
	defer output.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(os.Stdout, os.Stderr, output.Reader)
		copied <- err
	}()
	removed := api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	if err := ctr.Start(ctx); err != nil {
		return notRun, err
	}
	for {
		select {
		case sig := <-signals:
			if err := pass(ctx, api, id, sig); err != nil {
				return notRun, err
			}
		case err := <-removed.Error:
			return notRun, err
		case end := <-removed.Result:
			if end.Error != nil {
				return notRun, errors.New(end.Error.Message)
			}
			return int(end.StatusCode), <-copied
		}
	}
}

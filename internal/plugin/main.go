package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"

	sdk "github.com/PlakarKorp/go-kloset-sdk"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// Main runs a plugin: args is os.Args, whose one argument says which side to
// serve, "importer" or "exporter". A nil constructor is a side that the plugin
// does not have. Main returns the exit status.
//
// plakar kills the plugin with SIGKILL when the user interrupts it. So what serves
// plakar is a second process, the worker, which then still ends what it began.
// Source: spawn in plugins/connect.go of plakar v1.1.4
func Main(args []string, source NewSource, target NewTarget) int {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: dropTime})))
	c := newCalls()
	register, err := selectConnector(args, source, target, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if len(args) > 2 {
		return runWorker(filepath.Base(args[0]), register, c)
	}
	status, err := proc.Supervise(args[1], worker)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(args[0]), err)
		return 1
	}
	return status
}

// worker is the second argument of a worker.
const worker = "worker"

// selectConnector picks the service to register.
func selectConnector(args []string, source NewSource, target NewTarget, c *calls) (func(*grpc.Server), error) {
	name := ""
	if len(args) == 2 || len(args) == 3 && args[2] == worker {
		name = args[1]
	}
	switch {
	case name == "importer" && source != nil:
		return registerImporter(source, c), nil
	case name == "exporter" && target != nil:
		return registerExporter(target, c), nil
	}
	return nil, fmt.Errorf("%s is a plugin that plakar starts, with the argument \"importer\" or \"exporter\"", args[0])
}

// runWorker serves plakar until it closes the connection, or is gone.
func runWorker(name string, register func(*grpc.Server), c *calls) int {
	proc.SetPipeSize(os.Stdin)
	proc.SetPipeSize(os.Stdout)
	// Ctrl-C reaches the whole process group: plakar decides what it means. A closed
	// output must not end the worker before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

	_, listener, err := sdk.InitConn()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	detachStdin()
	server := newServer()
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	status := 1
	select {
	case err := <-done:
		if err == nil || errors.Is(err, io.EOF) {
			status = 0
		} else {
			fmt.Fprintf(os.Stderr, "%s: serving plakar: %v\n", name, err)
		}
	case <-terminate:
	case <-proc.ParentGone():
	}
	c.lifetime.Exit(errShutdown)
	// Stop ends the streams in which calls wait for plakar; a moment later, so that one
	// that is still there gets to know why. It returns when plakar has closed its end of
	// the connection, too, which is not waited for.
	time.AfterFunc(shutdown.StreamTimeout, server.Stop)
	go proc.KillAll(context.Background())
	if err := c.end(); err != nil {
		slog.Warn("cleaning up: " + err.Error())
	}
	return status
}

// detachStdin keeps the connection to plakar, which the SDK's connection holds by now, from
// libraries that give os.Stdin to processes of theirs: the AWS SDK does.
func detachStdin() {
	if null, err := os.Open(os.DevNull); err == nil {
		os.Stdin = null
	}
}

func dropTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

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
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"github.com/PlakarKorp/kloset/connectors/importer"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// A plugin holds a few large buffers and makes much small garbage: the collector would
// run all the time with Go's default.
const (
	gcPercent   = 400
	memoryLimit = 96 << 20 // bytes, soft
)

// NewSource makes the Source that protocol and settings describe; it touches
// nothing but its arguments.
type NewSource func(protocol string, settings map[string]string, environ []string) (Source, error)

// NewTarget makes the Target that protocol and settings describe.
type NewTarget func(protocol string, settings map[string]string, environ []string) (Target, error)

// Main runs a plugin: args is os.Args, whose one argument says which side to
// serve, "importer" or "exporter". A nil constructor is a side that the plugin
// does not have. Main returns the exit status.
//
// plakar kills the plugin with SIGKILL when the user interrupts it. So what serves
// plakar is a second process, the worker, which then still ends what it began.
// Source: spawn in plugins/connect.go of plakar v1.1.4
func Main(args []string, source NewSource, target NewTarget) int {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	l := newLife()
	serve, err := side(args, source, target, l)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if len(args) > 2 {
		return work(filepath.Base(args[0]), serve, l)
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

// work serves plakar until it closes the connection, or is gone.
func work(name string, serve func() error, l *life) int {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	proc.SetPipeSize(os.Stdin)
	proc.SetPipeSize(os.Stdout)
	// Ctrl-C reaches the whole process group: plakar decides what it means. A closed
	// output must not end the worker before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

	done := make(chan error, 1)
	go func() { done <- serve() }()
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
	l.finish()
	return status
}

// side picks what to serve.
func side(args []string, source NewSource, target NewTarget, l *life) (func() error, error) {
	name := ""
	if len(args) == 2 || len(args) == 3 && args[2] == worker {
		name = args[1]
	}
	switch {
	case name == "importer" && source != nil:
		return func() error { return serveImporter(importerFn(source, l)) }, nil
	case name == "exporter" && target != nil:
		return func() error { return serveExporter(exporterFn(target, l)) }, nil
	}
	return nil, fmt.Errorf("%s is a plugin that plakar starts, with the argument \"importer\" or \"exporter\"", args[0])
}

func importerFn(create NewSource, l *life) importer.ImporterFn {
	return func(_ context.Context, o *connectors.Options, protocol string, settings map[string]string) (importer.Importer, error) {
		hideStdin()
		s, err := create(protocol, settings, os.Environ())
		if err != nil {
			return nil, limit(err)
		}
		if whole, ok := s.(NoExcludes); ok && o != nil && len(o.Excludes) > 0 {
			return nil, limit(errors.Join(whole.RefuseExcludes(), s.Close()))
		}
		l.add(s)
		return livingImporter{NewImporter(s), l}, nil
	}
}

func exporterFn(create NewTarget, l *life) exporter.ExporterFn {
	return func(_ context.Context, _ *connectors.Options, protocol string, settings map[string]string) (exporter.Exporter, error) {
		hideStdin()
		t, err := create(protocol, settings, os.Environ())
		if err != nil {
			return nil, limit(err)
		}
		l.add(t)
		return livingExporter{NewExporter(t), l}, nil
	}
}

// hideStdin keeps the connection to plakar, which the SDK's connection holds by now, from
// libraries that give os.Stdin to processes of theirs: the AWS SDK does.
var hideStdin = sync.OnceFunc(func() {
	if null, err := os.Open(os.DevNull); err == nil {
		os.Stdin = null
	}
})

// maxError is how long the text of an error may be, in bytes; it crosses to
// plakar in an HTTP/2 header.
const maxError = 8 << 10

// limit makes err's text fit for the way to plakar and to a terminal: valid UTF-8 of
// a few KB, on one line and without control characters, which a name in a database
// may have.
func limit(err error) error {
	if err == nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(err.Error(), "\uFFFD")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	text := strings.Map(printable, strings.Join(lines, "; "))
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + " [...]"
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// printable replaces what could steer a terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

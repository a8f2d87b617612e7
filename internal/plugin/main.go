package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"unicode"

	sdk "github.com/PlakarKorp/go-kloset-sdk"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"github.com/PlakarKorp/kloset/connectors/importer"

	"github.com/PlakarKorp/integration-postgresql/internal/pipe"
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
func Main(args []string, source NewSource, target NewTarget) int {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	pipe.Widen(os.Stdin)
	pipe.Widen(os.Stdout)

	var open closers
	serve, err := side(args, source, target, &open)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	done := make(chan error, 1)
	go func() { done <- serve() }()
	// Ctrl-C reaches the whole process group: plakar decides what it means. The
	// plugin ends when plakar closes the connection.
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP)

	status := 0
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintf(os.Stderr, "%s: serving plakar: %v\n", args[0], err)
			status = 1
		}
	case <-terminate:
		status = 1
	}
	proc.KillAll()
	open.close()
	return status
}

// side picks what to serve.
func side(args []string, source NewSource, target NewTarget, open *closers) (func() error, error) {
	name := ""
	if len(args) == 2 {
		name = args[1]
	}
	switch {
	case name == "importer" && source != nil:
		return func() error { return serveImporter(importerFn(source, open)) }, nil
	case name == "exporter" && target != nil:
		return func() error { return sdk.RunExporter(exporterFn(target, open)) }, nil
	}
	return nil, fmt.Errorf("%s is a plugin that plakar starts, with the argument \"importer\" or \"exporter\"", args[0])
}

func importerFn(create NewSource, open *closers) importer.ImporterFn {
	return func(_ context.Context, o *connectors.Options, protocol string, settings map[string]string) (importer.Importer, error) {
		hideStdin()
		s, err := create(protocol, settings, os.Environ())
		if err != nil {
			return nil, limit(err)
		}
		if whole, ok := s.(Whole); ok && o != nil && len(o.Excludes) > 0 {
			return nil, limit(errors.Join(whole.ExcludesError(), s.Close()))
		}
		open.add(s)
		return NewImporter(s), nil
	}
}

func exporterFn(create NewTarget, open *closers) exporter.ExporterFn {
	return func(_ context.Context, _ *connectors.Options, protocol string, settings map[string]string) (exporter.Exporter, error) {
		hideStdin()
		t, err := create(protocol, settings, os.Environ())
		if err != nil {
			return nil, limit(err)
		}
		open.add(t)
		return NewExporter(t), nil
	}
}

// hideStdin keeps the connection to plakar, which the SDK holds by now, from
// libraries that give os.Stdin to processes of theirs: the AWS SDK does.
var hideStdin = sync.OnceFunc(func() {
	if null, err := os.Open(os.DevNull); err == nil {
		os.Stdin = null
	}
})

// closers closes what is open when the connection to plakar is gone.
type closers struct {
	mu  sync.Mutex
	all []io.Closer
}

func (c *closers) add(closer io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, closer)
}

func (c *closers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, closer := range c.all {
		if err := closer.Close(); err != nil {
			slog.Warn("cleaning up: " + err.Error())
		}
	}
}

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

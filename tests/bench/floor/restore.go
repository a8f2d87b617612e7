package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

// target is the plugin.Target that writes what it gets below a path, one file after
// another: no exporter of ours can be faster.
type target struct {
	path   string
	buffer []byte
}

func newTarget(_ string, settings map[string]string, _ []string) (plugin.Target, error) {
	_, path, _ := strings.Cut(settings["location"], "://")
	return &target{path: path, buffer: make([]byte, 1<<20)}, nil
}

// Origin implements plugin.Target.
func (*target) Origin() string { return "localhost" }

// Type implements plugin.Target.
func (*target) Type() string { return "floor" }

// Ping implements plugin.Target.
func (*target) Ping(context.Context) error { return nil }

// Precheck implements plugin.Target.
func (*target) Precheck(context.Context) error { return nil }

// Restore implements plugin.Target.
func (t *target) Restore(_ context.Context, record *connectors.Record, content io.Reader, ack func(error)) error {
	path := filepath.Join(t.path, record.Pathname)
	if err := t.write(path, record, content); err != nil {
		return err
	}
	ack(nil)
	return nil
}

func (t *target) write(path string, record *connectors.Record, content io.Reader) error {
	switch mode := record.FileInfo.Mode(); {
	case mode.IsDir():
		return os.MkdirAll(path, 0o700)
	case !mode.IsRegular():
		return os.Symlink(record.Target, path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- where the benchmark says
	if err != nil {
		return err
	}
	if content != nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, content, t.buffer)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Finish implements plugin.Target.
func (*target) Finish(context.Context) error { return nil }

// Abort implements plugin.Target.
func (*target) Abort() {}

// Close implements plugin.Target.
func (*target) Close(context.Context) error { return nil }

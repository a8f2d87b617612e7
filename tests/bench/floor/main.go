// Command floor is a plugin that does nothing but hand plakar the files of a directory,
// or write the files that plakar hands out, through the connection that this project's
// plugins use. It shows what being a plugin costs by itself: none of ours can be faster.
package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

func main() { os.Exit(plugin.Main(os.Args, newDirectory, newTarget)) }

// directory is the plugin.Source of the files below a path.
type directory string

func newDirectory(_ string, settings map[string]string, _ []string) (plugin.Source, error) {
	_, path, _ := strings.Cut(settings["location"], "://")
	return directory(path), nil
}

// Origin implements plugin.Source.
func (directory) Origin() string { return "localhost" }

// Type implements plugin.Source.
func (directory) Type() string { return "floor" }

// Ping implements plugin.Source.
func (d directory) Ping(context.Context) error {
	_, err := os.Stat(string(d))
	return err
}

// Backup implements plugin.Source.
func (d directory) Backup(_ context.Context, emit func(*connectors.Record) error) error {
	return filepath.WalkDir(string(d), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, string(d))
		record := &connectors.Record{Pathname: "/" + strings.TrimPrefix(name, "/"), FileInfo: objects.FileInfoFromStat(info)}
		if info.Mode().IsRegular() {
			record.Reader = connectors.NewLazyReader(func() (io.ReadCloser, error) { return os.Open(path) }) // #nosec G304 -- of the directory
		}
		return emit(record)
	})
}

// Finish implements plugin.Source.
func (directory) Finish(failed []plugin.RecordError) error {
	for _, f := range failed {
		return f.Err
	}
	return nil
}

// Close implements plugin.Source.
func (directory) Close(context.Context) error { return nil }

package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// dumpTables dumps the tables that the options name into a file, which is there only if it
// is complete. A physical snapshot gives single tables away like this.
func (c *check) dumpTables(ctx context.Context) (err error) {
	database, patterns, err := c.options.DumpTables()
	if err != nil || database == "" {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("option \"dump\": dumping tables of database %q: %w", database, err)
		}
	}()
	info := c.server.info.WithDatabase(database)
	stream := proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		env, err := info.Env(ctx)
		args := pgtools.DumpArgs(&options.Import{Tables: patterns, Compress: options.Gzip}, info.ConnString())
		return proc.Command{Path: c.server.tools.Path(pgtools.PgDump), Args: args, Env: env, Dir: "/", User: c.server.as}, err
	})
	size, err := save(c.options.Dump, stream)
	if err = errors.Join(err, stream.Close()); err == nil {
		slog.Info(fmt.Sprintf("%s has the tables, %s: pg_restore -d DATABASE %s", c.options.Dump, humanize.IBytes(uint64(size)), c.options.Dump)) // #nosec G115 -- not negative
	}
	return err
}

// save writes a file that is not there yet, mode 0600, whole or not at all.
func save(path string, r io.Reader) (size int64, err error) {
	f, link, err := unnamed(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(f, r)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = link(path) // fails if it is there by now
	}
	return size, errors.Join(err, f.Close())
}

// temporary opens a file for unnamed where there is no other way: it has a name until it is closed.
func temporary(dir string) (f outputFile, link func(path string) error, err error) {
	g, err := os.CreateTemp(dir, ".plakar-dump-")
	if err != nil {
		return nil, nil, err
	}
	return &namedFile{g}, func(path string) error { return os.Link(g.Name(), path) }, nil
}

// namedFile is a file that is removed when it is closed.
type namedFile struct{ *os.File }

// Close implements io.Closer.
func (f *namedFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

// outputFile is where a dump is written.
type outputFile interface {
	io.WriteCloser
	Sync() error
}

package logical

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// divide decides which dumps are made in parts: those of databases with tables that
// are large enough for files of their own.
func (i *Importer) divide(ctx context.Context, s *server, p *plan) error {
	failed := make([]error, len(p.dumps))
	var group errgroup.Group
	group.SetLimit(i.options.Jobs)
	for n := range p.dumps {
		group.Go(func() error {
			d := &p.dumps[n]
			all, err := measureTables(ctx, s.info, d.database)
			if err != nil {
				failed[n] = err
				return context.Cause(ctx)
			}
			folder := recordname.Folder(n+1, d.database)
			if d.tables, d.rest = largest(all, folder, int64(i.options.TableSize)); len(d.tables) > 0 { // #nosec G115 -- a size
				d.path = folder
			}
			return nil
		})
	}
	err := group.Wait()
	for n, failure := range failed {
		// pg_dump will say more about it, or succeed.
		if failure != nil {
			p.warnings = append(p.warnings, fmt.Sprintf("database %q is dumped into one file, its tables could not be listed: %v", p.dumps[n].database, failure))
		}
	}
	return err
}

// file is a part of a dump: its path, and what pg_dump is told.
type file struct {
	path  string
	what  string // for messages, after the database's name
	size  int64  // about, in bytes
	table *table // whose data it is; nil for the other parts
	part  pgtools.Part
}

// parts lists the files of a dump in parts, the largest first.
func (d *dump) parts() []file {
	patterns := make([]string, 0, len(d.tables))
	files := make([]file, 0, len(d.tables)+3)
	for n := range d.tables {
		t := &d.tables[n]
		pattern := pgtools.Pattern(t.schema, t.name)
		patterns = append(patterns, pattern)
		path, _ := recordname.TableFile(d.path, t.schema, t.name)
		files = append(files, file{
			path: path, what: "table " + t.quoted(), size: t.size, table: t,
			part: pgtools.Part{Section: string(recordname.Data), Only: pattern},
		})
	}
	files = append(files,
		file{
			path: recordname.OthersFile(d.path), what: "the other tables", size: d.rest,
			part: pgtools.Part{Section: string(recordname.Data), Without: patterns},
		},
		file{path: recordname.PreDataFile(d.path), what: "definitions", part: pgtools.Part{Section: string(recordname.PreData)}},
		file{path: recordname.PostDataFile(d.path), what: "indexes and constraints", part: pgtools.Part{Section: string(recordname.PostData)}})
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Compare(b.size, a.size) })
	return files
}

// partRecords returns the records of a dump in parts.
func (i *Importer) partRecords(ctx context.Context, s *server, d *dump, tools pgtools.Set, started time.Time) []*connectors.Record {
	files := d.parts()
	h := newHolder(d.database, len(files), func(ctx context.Context) (*pgx.Conn, error) {
		return openTables(ctx, s.info, d.database, i.options.LockTimeout)
	})
	i.mu.Lock()
	i.holders = append(i.holders, h)
	i.mu.Unlock()
	records := []*connectors.Record{directory(d.path, started), directory(recordname.DataFolder(d.path), started)}
	for _, f := range files {
		records = append(records, record(f.path, started, i.part(ctx, s, h, f, tools)))
	}
	return records
}

// part returns the content of one part's record.
func (i *Importer) part(ctx context.Context, s *server, h *holder, f file, tools pgtools.Set) io.ReadCloser {
	what := fmt.Sprintf("database %q, %s", h.database, f.what)
	content := i.stream(ctx, what, s.info.WithDatabase(h.database), func(ctx context.Context, info conninfo.Info) (proc.Command, error) {
		part := f.part
		part.LockTimeout = childLockTimeout
		var err error
		if part.Snapshot, err = h.begin(ctx); err != nil {
			return proc.Command{}, err
		}
		if f.table != nil && !h.has(*f.table) {
			slog.Warn(what + ": it was dropped before the backup of the database began; its file holds nothing")
			part.Only, part.Empty = "", true
		}
		return proc.Command{Path: tools.Path(pgtools.PgDump), Args: pgtools.PartArgs(&i.options, part, info.ConnString())}, nil
	})
	return &partReader{ReadCloser: content, ctx: ctx, what: what, holder: h}
}

// partReader is the content of a part, which keeps the holder of the snapshot until
// it ends.
type partReader struct {
	io.ReadCloser
	ctx    context.Context
	what   string
	holder *holder

	ended sync.Once
	mu    sync.Mutex
	err   error // the end; stays
}

// Read implements io.Reader. The end is io.EOF only if the snapshot was held until
// then.
func (r *partReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		if lost := r.holder.check(r.ctx); lost != nil {
			err = fmt.Errorf("%s: %w", r.what, lost)
		}
	} else {
		err = r.holder.blame(r.ctx, err)
	}
	r.err = err
	r.end()
	return n, err
}

// Close implements io.Closer.
func (r *partReader) Close() error {
	defer r.end()
	return r.ReadCloser.Close()
}

func (r *partReader) end() { r.ended.Do(func() { r.holder.done(r.ctx) }) }

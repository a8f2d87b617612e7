package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
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
			folder := recordname.Directory(n+1, d.database)
			if d.tables = largest(all, folder, int64(i.options.TableSize)); len(d.tables) > 0 { // #nosec G115 -- a size
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
	table *table // whose data it is; nil for the other parts
	rest  bool   // it has the data of the tables that have no file
	part  pgtools.Part
}

// files lists the parts of a dump in the order in which they are made. What
// describes objects comes first: pg_dump asks the current catalogue about views,
// functions and the like, which nothing locks, and not the snapshot. Then the tables,
// the largest one first.
func (d *dump) files() []file {
	files := []file{
		{path: recordname.PreDataFile(d.path), what: "definitions", part: pgtools.Part{Section: string(recordname.PreData)}},
		{path: recordname.PostDataFile(d.path), what: "indexes and constraints", part: pgtools.Part{Section: string(recordname.PostData)}},
		{path: recordname.OthersFile(d.path), what: "the other tables", rest: true, part: pgtools.Part{Section: string(recordname.Data)}},
	}
	for n := range d.tables {
		t := &d.tables[n]
		path, _ := recordname.TableFile(d.path, t.schema, t.name)
		files = append(files, file{
			path: path, what: "table " + t.quoted(), table: t,
			part: pgtools.Part{Section: string(recordname.Data)},
		})
	}
	return files
}

// parts returns the records of a dump in parts, and the processes that they are the
// output of.
func (i *Importer) parts(ctx context.Context, s *server, d *dump, tools pgtools.Installation, started time.Time) ([]*turn, []*connectors.Record) {
	files := d.files()
	h := newHolder(d.database, len(files), func(ctx context.Context) (*pgx.Conn, error) {
		return openTables(ctx, s.info, d.database, i.options.LockTimeout)
	})
	i.mu.Lock()
	i.holders = append(i.holders, h)
	i.mu.Unlock()
	turns := make([]*turn, 0, len(files))
	records := []*connectors.Record{directory(d.path, started), directory(recordname.DataDirectory(d.path), started)}
	for n, f := range files {
		t := i.part(ctx, s, h, d, f, tools)
		t.joins = n > 0
		if n > 0 && f.table == nil {
			// It locks all tables, as the holder does: the server's lock table has room
			// for that twice where it has for once.
			t.after = turns[n-1]
		}
		turns = append(turns, t)
		records = append(records, record(f.path, started, &partReader{turn: t, ctx: ctx, holder: h}))
	}
	return turns, records
}

// part returns the output of the process that makes one part.
func (i *Importer) part(ctx context.Context, s *server, h *holder, d *dump, f file, tools pgtools.Installation) *turn {
	what := fmt.Sprintf("database %q, %s", d.database, f.what)
	return i.stream(ctx, what, s.info.WithDatabase(d.database), func(ctx context.Context, info conninfo.Info) (proc.Command, error) {
		part := f.part
		part.LockTimeout = childLockTimeout
		var err error
		if part.Snapshot, err = h.begin(ctx); err != nil {
			return proc.Command{}, err
		}
		part.Encoding = h.encoding // names are bytes to our own sessions: see conninfo
		switch {
		case f.rest:
			part.Without = h.whole(d.tables)
		case f.table != nil && h.has(*f.table):
			part.Table = pgtools.Pattern(f.table.schema, f.table.name)
		case f.table != nil:
			slog.Warn(what + ": it was dropped before the backup of the database began; its file holds nothing")
			part.Empty = true
		}
		return proc.Command{Path: tools.Path(pgtools.PgDump), Args: pgtools.PartArgs(&i.options, part, info.ConnString())}, nil
	})
}

// partReader is the content of a part, which keeps the holder of the snapshot until
// it ends.
type partReader struct {
	turn   *turn
	ctx    context.Context
	holder *holder

	ended sync.Once
	mu    sync.Mutex
	begun bool
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
	n, err := r.turn.Read(p)
	if !r.begun {
		// Nothing but the rows and the definitions makes a part another: what did not
		// change is not stored again. A read fills p, as far as there is something.
		dumparchive.ClearTimestamp(p[:n])
		r.begun = true
	}
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		if lost := r.holder.check(r.ctx); lost != nil {
			err = fmt.Errorf("%s: %w", r.turn.what, lost)
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
	return r.turn.Close()
}

func (r *partReader) end() { r.ended.Do(func() { r.holder.done(r.ctx) }) }

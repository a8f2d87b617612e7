package logical

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// splitByTable decides which dumps are made in parts: those of databases with tables that
// are large enough for files of their own.
func (i *Importer) splitByTable(ctx context.Context, s *server, p *plan) error {
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
			directory := recordname.Directory(n+1, d.database)
			if d.tables = largest(all, directory, int64(i.options.TableSize)); len(d.tables) > 0 { // #nosec G115 -- a size
				d.path = directory
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
	path   string
	label  string // for messages, after the database's name
	table  *table // whose data it is; nil for the other parts
	others bool   // it has the data of the tables that have no file
	part   pgtools.Part
}

// files lists the parts of a dump in the order in which they are made. What
// describes objects comes first: pg_dump asks the current catalogue about views,
// functions and the like, which nothing locks, and not the snapshot. Then the tables,
// the largest one first.
func (d *dump) files() []file {
	files := []file{
		{path: recordname.PreDataFile(d.path), label: "definitions", part: pgtools.Part{Section: string(recordname.PreData)}},
		{path: recordname.PostDataFile(d.path), label: "indexes and constraints", part: pgtools.Part{Section: string(recordname.PostData)}},
		{path: recordname.OthersFile(d.path), label: "the other tables", others: true, part: pgtools.Part{Section: string(recordname.Data)}},
	}
	for n := range d.tables {
		t := &d.tables[n]
		path, _ := recordname.TableFile(d.path, t.schema, t.name)
		files = append(files, file{
			path: path, label: "table " + t.quoted(), table: t,
			part: pgtools.Part{Section: string(recordname.Data)},
		})
	}
	return files
}

// parts returns the records of a dump in parts, and the processes that they are the
// output of.
func (i *Importer) parts(ctx context.Context, s *server, d *dump, tools pgtools.Installation, started time.Time) ([]*dumpStream, []*connectors.Record) {
	files := d.files()
	snapshot := newSnapshotSession(d.database, len(files), func(ctx context.Context) (*pgx.Conn, error) {
		return openTables(ctx, s.info, d.database, i.options.LockTimeout)
	})
	streams := make([]*dumpStream, 0, len(files))
	records := []*connectors.Record{directory(d.path, started), directory(recordname.DataDirectory(d.path), started)}
	for n, f := range files {
		part := i.part(ctx, s, snapshot, d, f, tools)
		part.sharesSnapshot = n > 0
		if n > 0 && f.table == nil {
			// It locks all tables, as the session with the snapshot does: the server's lock
			// table has room for that twice where it has for once.
			part.startAfter = streams[n-1]
		}
		streams = append(streams, part)
		records = append(records, record(f.path, started, part))
	}
	return streams, records
}

// part returns the output of the process that makes one part.
func (i *Importer) part(ctx context.Context, s *server, snapshot *snapshotSession, d *dump, f file, tools pgtools.Installation) *dumpStream {
	label := fmt.Sprintf("database %q, %s", d.database, f.label)
	stream := i.stream(ctx, label, s.info.WithDatabase(d.database), func(ctx context.Context, info conninfo.Info) (proc.Command, error) {
		part := f.part
		part.LockTimeout = childLockTimeout
		var err error
		if part.Snapshot, err = snapshot.begin(ctx); err != nil {
			return proc.Command{}, err
		}
		part.Encoding = snapshot.encoding // names are bytes to our own sessions: see conninfo
		switch {
		case f.others:
			part.Without = snapshot.patterns(d.tables)
		case f.table != nil && snapshot.contains(*f.table):
			part.Table = pgtools.Pattern(f.table.schema, f.table.name)
		case f.table != nil:
			slog.Warn(label + ": it was dropped before the backup of the database began; its file holds nothing")
			part.Empty = true
		}
		args := pgtools.PartArgs(i.patterns.in(i.options), part, info.ConnString())
		if !part.Empty {
			args = append(args, d.statistics()...)
		}
		return proc.Command{Path: tools.Path(pgtools.PgDump), Args: args}, nil
	})
	stream.snapshot = snapshot
	i.watch(s, d, stream)
	stream.operation.Total = 0
	if f.table != nil {
		stream.operation.Total, stream.operation.Of = f.table.size, "the %s that the table takes on the server"
	}
	return stream
}

package logical

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path"
	"strings"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// records returns all records of the backup, and what of them is the output of
// processes: the globals, nil without any, and the dumps and parts of dumps.
func (i *Importer) records(ctx context.Context, s *server, p *plan, tools pgtools.Installation) (globals *dumpStream, dumps []*dumpStream, records []*connectors.Record) {
	started := time.Now()
	records = []*connectors.Record{
		directory("/", started),
		record(recordname.Manifest, started, i.manifest(ctx, s, p, tools, started)),
		record(recordname.Cluster, started, i.cluster(ctx, s, p)),
	}
	if p.globals {
		globals = i.globals(ctx, s, p, tools)
		i.streams = append(i.streams, globals)
		records = append(records, record(recordname.Globals, started, globals))
	}
	for n := range p.dumps {
		streams, r := i.recordsFor(ctx, s, p, &p.dumps[n], tools, started)
		dumps, records = append(dumps, streams...), append(records, r...)
	}
	i.streams = append(i.streams, dumps...)
	return globals, dumps, records
}

// recordsFor returns the records of a database, and the processes that they are the
// output of.
func (i *Importer) recordsFor(ctx context.Context, s *server, p *plan, d *dump, tools pgtools.Installation, started time.Time) ([]*dumpStream, []*connectors.Record) {
	d.statistics = i.statisticsArgs(ctx, s, tools, d.database)
	if len(d.tables) > 0 {
		return i.parts(ctx, s, d, tools, started)
	}
	t := i.dump(ctx, s, p, d, tools)
	t.small = d.small || i.options.SchemaOnly
	return []*dumpStream{t}, []*connectors.Record{record(d.path, started, t)}
}

// manifest returns the content of manifest.json.
func (i *Importer) manifest(ctx context.Context, s *server, p *plan, tools pgtools.Installation, started time.Time) io.ReadCloser {
	request := manifest.Request{
		Header: manifest.Header{
			CreatedAt: started, Connector: i.protocol, Host: s.info.Host(), Port: s.info.Port(),
			Database: i.info.Database(), DumpFormat: "custom", PgDumpVersion: tools.Version,
			Options: i.options.Summary(), Files: p.files(), Warnings: p.warnings,
		},
		LastWarnings: func(ctx context.Context) []string { return i.droppedSoFar(ctx, s, p) },
		Maintenance:  s.database, Databases: p.names(), Jobs: i.options.Jobs,
	}
	return manifest.NewReader(ctx, func(ctx context.Context, w io.Writer) error {
		return manifest.Write(ctx, w, s.info, request)
	})
}

// cluster returns the content of 00000-cluster.json.
func (i *Importer) cluster(ctx context.Context, s *server, p *plan) io.ReadCloser {
	pinned := s.info.Settings()
	delete(pinned, "client_encoding") // which is another for each database
	request := manifest.ClusterRequest{Maintenance: s.database, Files: p.paths(), PinnedSettings: pinned, SetInSession: s.info.DropsOptions(), AllRoles: p.globals, Jobs: i.options.Jobs}
	return manifest.NewReader(ctx, func(ctx context.Context, w io.Writer) error {
		return manifest.WriteCluster(ctx, w, s.info, request)
	})
}

// globals returns the content of the globals' record.
func (i *Importer) globals(ctx context.Context, s *server, p *plan, tools pgtools.Installation) *dumpStream {
	return i.stream(ctx, "the globals (roles and tablespaces)", s.info, func(_ context.Context, info conninfo.Info) (proc.Command, error) {
		return proc.Command{Path: tools.Path(pgtools.PgDumpall), Args: pgtools.GlobalsArgs(info.ConnString(), p.passwords)}, nil
	})
}

// dump returns the content of one database's record.
func (i *Importer) dump(ctx context.Context, s *server, p *plan, d *dump, tools pgtools.Installation) *dumpStream {
	info := s.info.WithDatabase(d.database)
	stream := i.stream(ctx, fmt.Sprintf("database %q", d.database), info, func(_ context.Context, info conninfo.Info) (proc.Command, error) {
		args := append(pgtools.DumpArgs(i.patterns.in(i.options), info.ConnString()), d.statistics()...)
		return proc.Command{Path: tools.Path(pgtools.PgDump), Args: append(args, pgtools.CompletionArgs(p.completion.extensions, p.completion.tables)...)}, nil
	})
	i.watch(s, d, stream)
	return stream
}

// watch lets the stream be empty if the database is gone.
func (i *Importer) watch(s *server, d *dump, stream *dumpStream) {
	stream.dump = d
	if !i.options.SelectsPart() {
		stream.operation.Total, stream.operation.Of = d.size, "the %s that the database takes on the server"
	}
	if i.info.Database() == "" {
		stream.isDropped = func(ctx context.Context) bool { return i.isDropped(ctx, s, d) }
	}
}

// stream returns the output of a client process, which waits for one of the slots.
func (i *Importer) stream(ctx context.Context, label string, info conninfo.Info,
	command func(context.Context, conninfo.Info) (proc.Command, error),
) *dumpStream {
	t := newDumpStream(ctx, label, i.slots)
	t.progress, t.operation = i.progress, progress.Operation{Name: "dump of " + label, Bytes: t.read.Bytes}
	t.process = proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		c, err := command(ctx, info)
		if err != nil {
			return proc.Command{}, err
		}
		if err := t.acquireSlot(ctx); err != nil {
			return proc.Command{}, err
		}
		c.OnStderr = func(text string) { slog.Warn(label + ": " + text) }
		// The password is asked for now: a token may be short-lived.
		c.Env, err = info.Env(ctx)
		return c, err
	})
	return t
}

// record describes a file of the snapshot. Nothing tells that a dump is the same
// as the last one, so the time of the run makes it another to plakar.
func record(pathname string, modified time.Time, content io.ReadCloser) *connectors.Record {
	return &connectors.Record{Pathname: pathname, Reader: content, FileInfo: fileInfo(path.Base(pathname), 0o600, modified)}
}

func directory(pathname string, modified time.Time) *connectors.Record {
	return &connectors.Record{Pathname: pathname, FileInfo: fileInfo(path.Base(pathname), os.ModeDir|0o700, modified)}
}

func fileInfo(name string, mode os.FileMode, modified time.Time) objects.FileInfo {
	info := objects.FileInfo{
		Lname: name, Lsize: -1, Lmode: mode, LmodTime: modified, Lnlink: 1,
		Luid: uint64(os.Getuid()), Lgid: uint64(os.Getgid()), // #nosec G115 -- not negative on Unix
	}
	if mode.IsDir() {
		info.Lsize = 0
	}
	if u, err := user.Current(); err == nil {
		info.Lusername = strings.ToValidUTF8(u.Username, "")
	}
	return info
}

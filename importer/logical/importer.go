package logical

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// Importer backs up a server. It implements plugin.Source.
type Importer struct {
	protocol string
	options  options.Import
	info     conninfo.Info
	warnings []string // about the options
	files    *tempfile.Dir
	slots    chan struct{} // one for each client process
	progress *progress.Reporter
	dumps    int      // planned by Backup
	patterns patterns // of the options, as Backup has found them

	dropped    droppedDatabases
	streams    []*dumpStream      // of the records that were handed out
	prefetcher sync.WaitGroup     // starts some of them ahead
	cancel     context.CancelFunc // ends that; nil before Backup
}

var _ plugin.Source = (*Importer)(nil)

// New returns the importer that the settings describe. It connects to nothing.
func New(protocol string, settings map[string]string, environ []string) (plugin.Source, error) {
	o, err := options.DecodeImport(settings)
	if err != nil {
		return nil, err
	}
	info, err := conninfo.Parse(o.Connection, environ)
	if err != nil {
		return nil, err
	}
	return NewWith(protocol, o, info)
}

// NewWith returns the importer for options and a connection that were read
// already. The warnings are shown and go into the manifest.
func NewWith(protocol string, o options.Import, info conninfo.Info, warnings ...string) (*Importer, error) {
	if err := o.CheckSelection(info.Database()); err != nil {
		return nil, err
	}
	return &Importer{
		protocol: protocol, options: o, info: info, warnings: warnings,
		files: tempfile.New(""), slots: make(chan struct{}, o.Jobs), progress: progress.New(o.Progress),
	}, nil
}

// Origin implements plugin.Source.
func (i *Importer) Origin() string { return i.info.Origin() }

// Type implements plugin.Source.
func (i *Importer) Type() string { return i.protocol }

// Close implements plugin.Source: it ends what Backup left to be read.
func (i *Importer) Close(ctx context.Context) error {
	if i.cancel != nil {
		i.cancel()
	}
	i.prefetcher.Wait()
	for _, s := range i.streams {
		_ = s.Close() // it says nothing that a reader has not been told
	}
	for _, s := range i.streams {
		if s.snapshot != nil {
			s.snapshot.close(ctx)
		}
	}
	i.progress.Close()
	return i.files.Close()
}

// Ping implements plugin.Source: it connects and looks for the tools.
func (i *Importer) Ping(ctx context.Context) error {
	_, _, err := i.prepare(ctx)
	return err
}

// compressMethodsSince is the first pg_dump that has more methods of compression than gzip.
// Source: https://www.postgresql.org/docs/16/release-16.html
const compressMethodsSince = 16

// prepare learns about the server and finds the tools that fit it.
func (i *Importer) prepare(ctx context.Context) (*server, pgtools.Installation, error) {
	info, err := i.info.WithFiles(i.files)
	if err != nil {
		return nil, pgtools.Installation{}, err
	}
	s, err := inspect(ctx, info)
	if err != nil {
		return nil, pgtools.Installation{}, err
	}
	atLeast := 0
	method := i.options.Compress
	if method != "" && method != options.Gzip {
		atLeast = compressMethodsSince
	}
	tools, err := pgtools.Find(ctx, i.options.PgBinDir, pgversion.MajorOfNum(s.versionNum), atLeast, pgtools.PgDump, pgtools.PgDumpall)
	if err != nil && atLeast > pgversion.MajorOfNum(s.versionNum) {
		err = fmt.Errorf("option \"compress\": %s needs pg_dump %d or later: %w", method, compressMethodsSince, err)
	}
	if err != nil {
		return nil, pgtools.Installation{}, fmt.Errorf("the server at %s is PostgreSQL %s: %w", i.Origin(), s.version, err)
	}
	return s, tools, nil
}

// Backup implements plugin.Source.
func (i *Importer) Backup(ctx context.Context, emit func(*connectors.Record) error) error {
	for _, warning := range i.warnings {
		slog.Warn(warning)
	}
	s, tools, err := i.prepare(ctx)
	if err != nil {
		return err
	}
	p, err := makePlan(&i.options, s, i.info.Database())
	if err != nil {
		return err
	}
	i.dumps = len(p.dumps)
	if i.options.PerTable() {
		if err := i.splitByTable(ctx, s, &p); err != nil {
			return err
		}
	}
	if i.patterns, err = encodePatterns(ctx, &i.options, s, i.info.Database()); err != nil {
		return err
	}
	if p.completion, err = completeSelection(ctx, &i.options, i.patterns, s, tools, i.info.Database()); err != nil {
		return err
	}
	p.warnings = append(p.warnings, p.completion.warnings...)
	for _, warning := range p.warnings {
		slog.Warn(warning)
	}
	p.warnings = append(p.warnings, i.warnings...)
	globals, dumps, records := i.records(ctx, s, &p, tools)
	ctx, i.cancel = context.WithCancel(ctx)
	i.prefetcher.Go(func() { prefetch(ctx, globals, dumps, i.options.Jobs) })
	for _, r := range records {
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}

package logical

import (
	"context"
	"errors"
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
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/pipe"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/scratch"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// Importer backs up a server. It implements plugin.Source.
type Importer struct {
	protocol string
	options  options.Import
	info     conninfo.Info
	warnings []string // about the options
	files    *scratch.Dir
	slots    chan struct{} // one for each client process
	dumps    int           // planned by Send
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
		files: scratch.New(""), slots: make(chan struct{}, o.Jobs),
	}, nil
}

// Origin implements plugin.Source.
func (i *Importer) Origin() string { return i.info.Origin() }

// Type implements plugin.Source.
func (i *Importer) Type() string { return i.protocol }

// Close implements plugin.Source.
func (i *Importer) Close() error { return i.files.Close() }

// Ping implements plugin.Source: it connects and looks for the tools.
func (i *Importer) Ping(ctx context.Context) error {
	_, _, err := i.prepare(ctx)
	return err
}

// methodsSince is the first pg_dump that has more methods of compression than gzip.
// Source: https://www.postgresql.org/docs/16/release-16.html
const methodsSince = 16

// prepare learns about the server and finds the tools that fit it.
func (i *Importer) prepare(ctx context.Context) (*server, pgtools.Set, error) {
	info, err := i.info.WithFiles(i.files)
	if err != nil {
		return nil, pgtools.Set{}, err
	}
	s, err := look(ctx, info)
	if err != nil {
		return nil, pgtools.Set{}, err
	}
	atLeast := 0
	method := i.options.Compress
	if method != "" && method != options.Gzip {
		atLeast = methodsSince
	}
	tools, err := pgtools.Find(ctx, i.options.PgBinDir, pgtools.Major(s.versionNum), atLeast, pgtools.PgDump, pgtools.PgDumpall)
	if err != nil && atLeast > pgtools.Major(s.versionNum) {
		err = fmt.Errorf("option \"compress\": %s needs pg_dump %d or later: %w", method, methodsSince, err)
	}
	if err != nil {
		return nil, pgtools.Set{}, fmt.Errorf("the server at %s is PostgreSQL %s: %w", i.Origin(), s.version, err)
	}
	return s, tools, nil
}

// Send implements plugin.Source.
func (i *Importer) Send(ctx context.Context, emit func(*connectors.Record) error) error {
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
	for _, warning := range p.warnings {
		slog.Warn(warning)
	}
	p.warnings = append(p.warnings, i.warnings...)
	started := time.Now()
	records := []*connectors.Record{
		directory(started),
		record(recordname.Manifest, started, i.manifest(ctx, s, &p, tools, started)),
	}
	if p.globals {
		records = append(records, record(recordname.Globals, started, i.globals(ctx, s, &p, tools)))
	}
	for _, d := range p.dumps {
		records = append(records, record(d.path, started, i.dump(ctx, s, d, tools)))
	}
	for _, r := range records {
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}

// Settle implements plugin.Source: any failure fails the backup, unless the user
// said to go on and something was saved.
func (i *Importer) Settle(failed []plugin.Failure) error {
	errs := make([]error, 0, len(failed))
	var names []string
	for _, f := range failed {
		errs = append(errs, f.Err)
		if name, ok := recordname.Database(f.Pathname); ok {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) > 1 {
		// First, for a long message is cut.
		errs = append([]error{fmt.Errorf("%d of %d databases failed: %s", len(names), i.dumps, strings.Join(names, ", "))}, errs...)
	}
	// Without the manifest, the globals or any dump there is nothing to keep.
	if !i.options.ContinueOnError || len(names) < len(failed) || len(names) == i.dumps {
		return errors.Join(errs...)
	}
	for _, err := range errs {
		slog.Warn("continue_on_error: the snapshot lacks this: " + err.Error())
	}
	return nil
}

// manifest returns the content of manifest.json.
func (i *Importer) manifest(ctx context.Context, s *server, p *plan, tools pgtools.Set, started time.Time) io.ReadCloser {
	request := manifest.Request{
		Header: manifest.Header{
			CreatedAt: started, Connector: i.protocol, Host: s.info.Host(), Port: s.info.Port(),
			Database: i.info.Database(), DumpFormat: "custom", PgDumpVersion: tools.Version,
			Options: i.options.Summary(), Files: p.files(), Warnings: p.warnings,
		},
		Maintenance: s.database, Databases: p.names(), Jobs: i.options.Jobs,
	}
	return pipe.NewWritten(ctx, func(ctx context.Context, w io.Writer) error {
		return manifest.Write(ctx, w, s.info, request)
	})
}

// globals returns the content of the globals' record.
func (i *Importer) globals(ctx context.Context, s *server, p *plan, tools pgtools.Set) io.ReadCloser {
	return i.stream(ctx, "the globals (roles and tablespaces)", s.info, func(info conninfo.Info) proc.Command {
		return proc.Command{Path: tools.Path(pgtools.PgDumpall), Args: pgtools.GlobalsArgs(info.ConnString(), p.passwords)}
	})
}

// dump returns the content of one database's record.
func (i *Importer) dump(ctx context.Context, s *server, d dump, tools pgtools.Set) io.ReadCloser {
	info := s.info.WithDatabase(d.database)
	return i.stream(ctx, fmt.Sprintf("database %q", d.database), info, func(info conninfo.Info) proc.Command {
		return proc.Command{Path: tools.Path(pgtools.PgDump), Args: pgtools.DumpArgs(&i.options, info.ConnString())}
	})
}

// stream returns the output of a client process, which waits for its turn.
func (i *Importer) stream(ctx context.Context, what string, info conninfo.Info, command func(conninfo.Info) proc.Command) io.ReadCloser {
	t := &turn{what: what, slots: i.slots}
	t.Stream = proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		if err := t.take(ctx); err != nil {
			return proc.Command{}, err
		}
		c := command(info)
		c.Warn = func(text string) { slog.Warn(what + ": " + text) }
		var err error
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

func directory(modified time.Time) *connectors.Record {
	return &connectors.Record{Pathname: "/", FileInfo: fileInfo("/", os.ModeDir|0o700, modified)}
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

package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/globals"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// Exporter restores to a server. It implements plugin.Target.
type Exporter struct {
	protocol string
	options  options.Export
	info     conninfo.Info
	files    *tempfile.Dir
	secrets  *tempfile.Dir // PEM files
	created  time.Time     // when it was made

	server  *server.Server   // nil before the first record
	globals *globals.Globals // nil before they arrived, and if none are to be restored
	tasks   *scheduler

	arrived         map[string]string      // paths of the dumps that arrived, by database
	parted          map[string]*partedDump // those among them that have several files
	directories     map[string]bool        // paths of the directories that arrived
	pathGiven       bool                   // plakar was asked for a path, and not for a whole snapshot
	globalsArrived  bool
	manifestArrived bool
	attempted       bool            // something was restored, or tried
	planned         []manifest.File // from the manifest
}

var _ plugin.Target = (*Exporter)(nil)

// New returns the exporter that the settings describe. It connects to nothing.
func New(protocol string, settings map[string]string, environ []string) (plugin.Target, error) {
	o, err := options.DecodeExport(settings)
	if err != nil {
		return nil, err
	}
	info, err := conninfo.Parse(o.Connection, environ)
	if err != nil {
		return nil, err
	}
	return NewWith(protocol, o, info)
}

// NewWith returns the exporter for options and a connection that were read already.
func NewWith(protocol string, o options.Export, info conninfo.Info) (*Exporter, error) {
	if err := o.CheckTarget(info.Database()); err != nil {
		return nil, err
	}
	return &Exporter{
		protocol: protocol, options: o, info: info, files: tempfile.New(o.SpoolDir), secrets: tempfile.New(""), created: time.Now(),
		tasks:   newScheduler(o.Jobs, o.ExitOnError),
		arrived: make(map[string]string), parted: make(map[string]*partedDump), directories: make(map[string]bool),
	}, nil
}

// Origin implements plugin.Target.
func (e *Exporter) Origin() string { return e.info.Origin() }

// Type implements plugin.Target.
func (e *Exporter) Type() string { return e.protocol }

// Close implements plugin.Target.
func (e *Exporter) Close(context.Context) error {
	return errors.Join(e.files.Close(), e.secrets.Close())
}

// Abort implements plugin.Target: what was deferred is not restored.
func (e *Exporter) Abort() { e.tasks.abort() }

// Ping implements plugin.Target: it connects and looks for the tools.
func (e *Exporter) Ping(ctx context.Context) error {
	_, err := e.inspect(ctx)
	return err
}

// inspect connects to the server and looks for the tools.
func (e *Exporter) inspect(ctx context.Context) (*server.Server, error) {
	info, err := e.info.WithFiles(e.secrets)
	if err != nil {
		return nil, err
	}
	s, err := server.Inspect(ctx, info)
	if err != nil {
		return nil, err
	}
	if _, err := pgtools.Find(ctx, e.options.PgBinDir, s.Major, 0, pgtools.PgRestore); err != nil {
		return nil, fmt.Errorf("the server at %s is PostgreSQL %s: %w", e.Origin(), s.Version, err)
	}
	return s, nil
}

// Restore implements plugin.Target.
func (e *Exporter) Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error {
	if e.server == nil {
		var err error
		if e.server, err = e.inspect(ctx); err != nil {
			return err
		}
	}
	if content == nil || !record.FileInfo.Mode().IsRegular() {
		e.noteDirectory(record)
		ack(nil)
		return nil
	}
	if !e.targetAmbiguous() {
		if err := e.tasks.runDeferred(ctx); err != nil {
			return err
		}
	}
	return e.receive(ctx, record.Pathname, content, ack)
}

// receive takes in a file by its name.
func (e *Exporter) receive(ctx context.Context, pathname string, content io.Reader, ack func(error)) error {
	switch kind, database := route(pathname); kind {
	case document:
		ack(e.readManifest(content))
		return nil
	case globalsScript:
		return e.receiveGlobals(ctx, content, ack)
	case dump:
		return e.receiveDump(ctx, database, pathname, content, ack)
	case dumpPart:
		return e.receivePart(ctx, pathname, content, ack)
	case physical:
		return errors.New("this is a physical backup (postgres+bin://), which no running server can take in\nhint: restore it into a directory, plakar restore -to ./pgdata SNAPSHOT, and start PostgreSQL on it")
	default:
		ack(fmt.Errorf("%s is not part of a PostgreSQL backup", pathname))
		return nil
	}
}

func (e *Exporter) readManifest(content io.Reader) error {
	summary, err := manifest.ReadSummary(content)
	if err != nil {
		return err
	}
	e.planned, e.manifestArrived = summary.Files, true
	return nil
}

// receiveGlobals takes in the roles and tablespaces.
func (e *Exporter) receiveGlobals(ctx context.Context, content io.Reader, ack func(error)) error {
	e.globalsArrived = true
	if e.options.Globals == options.GlobalsNone {
		ack(nil)
		return nil
	}
	script, err := globals.Read(content, globals.Options{
		Missing: e.options.Globals == options.GlobalsMissing, Selected: e.globalsOnDemand(), ExitOnError: e.options.ExitOnError,
	})
	if err != nil {
		ack(err)
		return e.tasks.errIfExitOnError(err)
	}
	e.globals = script
	if e.globalsOnDemand() {
		ack(nil) // as the dumps arrive
		return nil
	}
	e.attempted = true
	return e.runOrDefer(ctx, func(ctx context.Context) error {
		err := script.Restore(ctx, e.server, globals.NewNeeds())
		ack(err)
		return err
	})
}

// runOrDefer runs a task now or, as long as it may come out that there is more than the
// target database can take, later.
func (e *Exporter) runOrDefer(ctx context.Context, t task) error {
	if e.targetAmbiguous() {
		e.tasks.later(t)
		return nil
	}
	return e.tasks.run(ctx, t)
}

// Finish implements plugin.Target: it restores what was deferred and checks that
// everything was there.
func (e *Exporter) Finish(ctx context.Context) error {
	err := e.tasks.runDeferred(ctx)
	e.tasks.wait() // they acknowledge, which they may do no later than now
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	errs := []error{e.finishParted(ctx), e.checkNames(), e.checkMissing(), e.checkAny()}
	if e.globals != nil && (!e.options.ExitOnError || errors.Join(errs...) == nil) {
		errs = append(errs, e.globals.Finish(ctx, e.server))
	}
	return errors.Join(errs...)
}

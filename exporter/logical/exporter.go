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
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// Exporter restores to a server. It implements plugin.Target.
type Exporter struct {
	*restorer
	*arrivals
	protocol  string
	secrets   *tempfile.Dir // PEM files
	attempted bool          // something was restored, or tried
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
		restorer: &restorer{
			runner: runner{options: o, files: tempfile.New(o.SpoolDir), tools: pgtools.NewFinder(o.PgBinDir)},
			info:   info, tasks: newScheduler(o.Jobs, o.ExitOnError), progress: progress.New(o.Progress),
		},
		arrivals: newArrivals(time.Now()), protocol: protocol, secrets: tempfile.New(""),
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
func (e *Exporter) Abort() {
	e.tasks.abort()
	e.progress.Close()
	e.abandonParted(context.Background())
}

// Ping implements plugin.Target: it connects and looks for the tools.
func (e *Exporter) Ping(ctx context.Context) error {
	_, err := e.inspect(ctx)
	return err
}

// Precheck implements plugin.Target: what it learns about the server is used by the restore.
func (e *Exporter) Precheck(ctx context.Context) error {
	s, err := e.inspect(ctx)
	if err == nil && e.options.DataOnly {
		err = e.loadAsReplica(ctx, s)
	}
	if err == nil {
		e.server = s
	}
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
	if _, err := e.tools.Find(ctx, s.Major, 0, pgtools.PgRestore); err != nil {
		return nil, fmt.Errorf("the server at %s is PostgreSQL %s: %w", e.Origin(), s.Version, err)
	}
	return s, nil
}

// Restore implements plugin.Target.
func (e *Exporter) Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error {
	if e.server == nil {
		if err := e.Precheck(ctx); err != nil {
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
	kind, database := route(pathname)
	content, err := e.passOverDropped(kind, database, pathname, content)
	if content == nil || err != nil {
		ack(err)
		return e.tasks.errIfExitOnError(err)
	}
	switch kind {
	case document:
		ack(e.readManifest(content))
		return nil
	case clusterDescription:
		e.clusterArrived = true
		e.cluster.Cluster, err = manifest.ReadCluster(content)
		ack(err)
		return e.tasks.errIfExitOnError(err)
	case globalsScript:
		return e.receiveGlobals(ctx, content, ack)
	case dump:
		return e.receiveDump(ctx, database, pathname, content, ack)
	case dumpPart:
		return e.receivePart(ctx, pathname, content, ack)
	case physical:
		return errors.New("this is a physical backup (postgres+bin://), which no running server can take in\nhint: restore it into a directory, plakar restore -to postgres+bin:///path/of/data/directory SNAPSHOT, and start PostgreSQL on it")
	default:
		ack(fmt.Errorf("%s is not part of a PostgreSQL backup", pathname))
		return nil
	}
}

// receiveGlobals takes in the roles and tablespaces.
func (e *Exporter) receiveGlobals(ctx context.Context, content io.Reader, ack func(error)) error {
	e.globalsArrived = true
	if e.options.Globals == options.GlobalsNone {
		ack(nil)
		return nil
	}
	script, err := globals.Read(content, globals.Options{
		Missing: e.options.Globals == options.GlobalsMissing, Selected: e.globalsOnDemand(), ExitOnError: e.options.ExitOnError, NoTablespaces: e.options.NoTablespaces,
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

// Finish implements plugin.Target: it restores what was deferred and checks that
// everything was there.
func (e *Exporter) Finish(ctx context.Context) error {
	defer e.progress.Close()
	err := e.tasks.runDeferred(ctx)
	if err == nil {
		err = e.restoreHeld(ctx)
	}
	e.tasks.wait() // they acknowledge, which they may do no later than now
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		e.abandonParted(ctx)
		return err
	}
	defer e.reportUnanalyzed()
	errs := []error{e.finishParted(ctx), e.checkNames(&e.options), e.checkMissing(&e.options), e.checkAny()}
	if !e.options.ExitOnError || errors.Join(errs...) == nil {
		errs = append(errs, e.finishSettings(ctx))
	}
	return errors.Join(errs...)
}

// finishSettings restores settings that would count for our own sessions. Each may keep them out.
func (e *Exporter) finishSettings(ctx context.Context) error {
	return e.inOrder(ctx,
		func() error { return e.restoreLibraries(ctx, false) },
		func() error { return e.setForAllRoles(ctx) },
		func() error {
			if e.globals == nil {
				return nil
			}
			return e.globals.Finish(ctx, e.server)
		},
		func() error { return e.restoreLibraries(ctx, true) },
	)
}

// setForAllRoles restores what every role was given at the source. Where roles that are there
// stay as they are, so does this.
func (e *Exporter) setForAllRoles(ctx context.Context) error {
	if e.cluster.Cluster == nil || e.globals == nil || e.options.Globals != options.GlobalsAll {
		return nil
	}
	return globals.SetForAll(ctx, e.server, e.cluster.AllRolesSettings, e.options.ExitOnError)
}

package logical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/PlakarKorp/kloset/connectors"
	"golang.org/x/sync/semaphore"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
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

	server *server // nil before the first record

	seen     map[string]string  // paths of the dumps that arrived, by database
	folders  map[string]*folder // the dumps in parts among them, by database
	dirs     map[string]bool    // paths of the directories that arrived
	roles    bool               // the globals arrived
	done     bool               // something was restored, or tried
	expected []manifest.File    // from the manifest, if it arrived

	// Until it is certain that there is one dump for the one target database,
	// globals and dump wait; so do definitions that would replace a database, until
	// it is certain that its rows come as well.
	waiting []func(context.Context) error

	running sync.WaitGroup
	stopped atomic.Bool         // one of them failed, and exit_on_error is set
	slots   *semaphore.Weighted // connections of parallel restores
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
		protocol: protocol, options: o, info: info, files: tempfile.New(o.SpoolDir), secrets: tempfile.New(""),
		seen: make(map[string]string), folders: make(map[string]*folder), dirs: make(map[string]bool),
		slots: semaphore.NewWeighted(2 * int64(o.Jobs)),
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

// Ping implements plugin.Target: it connects and looks for the tools.
func (e *Exporter) Ping(ctx context.Context) error {
	_, err := e.look(ctx)
	return err
}

// Restore implements plugin.Target.
func (e *Exporter) Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error {
	if e.server == nil {
		var err error
		if e.server, err = e.look(ctx); err != nil {
			return err
		}
	}
	if content == nil || !record.FileInfo.Mode().IsRegular() {
		e.dirs[record.Pathname] = true
		ack(nil)
		return nil
	}
	if !e.uncertain() {
		if err := e.restoreWaiting(ctx); err != nil {
			return err
		}
	}
	var err error
	switch kind, database := route(record.Pathname); kind {
	case document:
		err = e.readManifest(content)
		ack(err)
		return nil
	case globals:
		err = e.receiveGlobals(ctx, content, ack)
	case dump:
		err = e.receiveDump(ctx, database, record.Pathname, content, ack)
	case section:
		err = e.receivePart(ctx, record.Pathname, content, ack)
	case physical:
		return errors.New("this is a physical backup (postgres+bin://), which no running server can take in\nhint: restore it into a directory, plakar restore -to ./pgdata SNAPSHOT, and start PostgreSQL on it")
	default:
		ack(fmt.Errorf("%s is not part of a PostgreSQL backup", record.Pathname))
	}
	return err
}

func (e *Exporter) readManifest(content io.Reader) error {
	summary, err := manifest.ReadSummary(content)
	if err != nil {
		return err
	}
	e.expected = summary.Files
	return nil
}

func (e *Exporter) receiveGlobals(ctx context.Context, content io.Reader, ack func(error)) error {
	e.roles = true
	if e.options.NoGlobals || e.options.DataOnly {
		ack(nil)
		return nil
	}
	// They are small, and have to be complete before they are run.
	script, err := io.ReadAll(content)
	if err != nil {
		ack(fmt.Errorf("reading the globals (roles and tablespaces): %w", err))
		return nil
	}
	if !bytes.Contains(script, []byte(globalsEnd)) {
		ack(errors.New("the globals (roles and tablespaces) are damaged: their end is missing, nothing of them was restored"))
		return e.stopOn(io.ErrUnexpectedEOF)
	}
	return e.whenCertain(ctx, func(ctx context.Context) error {
		err := e.restoreGlobals(ctx, script)
		ack(err)
		return err
	})
}

func (e *Exporter) receiveDump(ctx context.Context, database, pathname string, content io.Reader, ack func(error)) error {
	if wanted, err := e.admit(database, pathname, ack); err != nil || !wanted {
		return err
	}
	a := newArchive(database, content)
	restore := func(ctx context.Context) error {
		err := e.restore(ctx, a)
		err = errors.Join(err, a.close())
		ack(err)
		return err
	}
	if e.uncertain() || e.options.Jobs > 1 {
		if err := a.spool(e.files); err != nil {
			ack(err)
			return e.stopOn(err)
		}
		a.jobs = e.jobsFor(a)
	}
	if e.uncertain() || e.options.Jobs == 1 {
		return e.whenCertain(ctx, restore)
	}
	return e.inParallel(ctx, a, restore)
}

// admit decides whether the dump of database at pathname, which is a directory for one in
// parts, is to be restored. One that is not is acknowledged.
func (e *Exporter) admit(database, pathname string, ack func(error)) (wanted bool, err error) {
	if other, there := e.seen[database]; there && other != pathname {
		ack(fmt.Errorf("%s and %s are both dumps of database %q: the second one is left out", other, pathname, database))
		return false, nil
	}
	e.seen[database] = pathname
	if len(e.options.Databases) > 0 && !slices.Contains(e.options.Databases, database) {
		ack(nil)
		return false, nil
	}
	if target := e.info.Database(); target != "" && len(e.options.Databases) == 0 && len(e.seen) > 1 {
		return false, fmt.Errorf("the snapshot has several dumps (%s), which cannot all go into the one database %q: nothing was restored\nhint: choose one with databases=NAME, or leave \"database\" out",
			strings.Join(slices.Sorted(maps.Keys(e.seen)), ", "), target)
	}
	return true, nil
}

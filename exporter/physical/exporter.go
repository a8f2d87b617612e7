package physical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
)

// Exporter restores into a data directory. It implements plugin.Target.
type Exporter struct {
	protocol  string
	options   options.PhysicalRestore
	directory string // absolute
	job       job    // nil before the first record

	progress *progress.Reporter
	received progress.Counter
}

// job is what a restore does: a base backup into an empty directory, or WAL into one that
// such a restore made.
type job interface {
	// record restores one record. A problem is one of its content; err ends the restore.
	record(record *connectors.Record, content io.Reader) (problem, err error)
	// finish lets the directory be started, or says why it cannot be.
	finish(ctx context.Context) error
	// hint says how to go on after a failure.
	hint() string
	close() error
}

var _ plugin.Target = (*Exporter)(nil)

// New returns the exporter that the settings describe. It touches nothing.
func New(protocol string, settings map[string]string, _ []string) (plugin.Target, error) {
	o, err := options.DecodePhysicalRestore(settings)
	if err != nil {
		return nil, err
	}
	directory, err := o.Directory()
	if err != nil {
		return nil, err
	}
	// plakar starts its plugins where it was started itself.
	if directory, err = filepath.Abs(directory); err != nil {
		return nil, fmt.Errorf("option \"location\": %w", err)
	}
	return &Exporter{protocol: protocol, options: o, directory: directory, progress: progress.New(o.Progress)}, nil
}

// Origin implements plugin.Target.
func (e *Exporter) Origin() string { return e.directory }

// Type implements plugin.Target.
func (e *Exporter) Type() string { return e.protocol }

// Ping implements plugin.Target.
func (e *Exporter) Ping(ctx context.Context) error { return e.Precheck(ctx) }

// Precheck implements plugin.Target: it looks at the directories and makes none. What the
// snapshot is, only its records tell.
func (e *Exporter) Precheck(context.Context) error {
	found, err := findWAL(&e.options, e.directory)
	if err != nil {
		return err
	}
	if found {
		w, err := newWALRestore(&e.options, e.directory)
		if err != nil {
			return err
		}
		return w.close()
	}
	p, err := newPlan(&e.options, e.directory)
	if err != nil {
		return err
	}
	for _, d := range p.directories() {
		if err := d.checkCreatable(); err != nil {
			return err
		}
	}
	return nil
}

// Restore implements plugin.Target. The directories are opened when the first record
// is there. What is wrong with a record's content is acknowledged, and the restore goes
// on with the next one: an expert may want the rest of a damaged backup.
func (e *Exporter) Restore(ctx context.Context, record *connectors.Record, content io.Reader, ack func(error)) error {
	if e.job == nil {
		j, err := begin(&e.options, e.directory)
		if err != nil {
			return err
		}
		e.job = j
		e.progress.Start(ctx, progress.Operation{Name: "restore into " + e.directory, Bytes: e.received.Bytes})
	}
	if content != nil {
		content = e.received.Reader(content)
	}
	if record.IsXattr {
		ack(nil)
		return nil
	}
	problem, err := e.job.record(record, content)
	if err != nil {
		return e.withHint(err)
	}
	ack(problem)
	return nil
}

// Finish implements plugin.Target: only when it succeeds can the directory be started.
func (e *Exporter) Finish(ctx context.Context) error {
	e.progress.Close()
	if e.job == nil {
		return errors.New("plakar sent nothing to restore")
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := e.job.finish(ctx); err != nil {
		return e.withHint(fmt.Errorf("the restore into %s is not complete: %w", e.directory, err))
	}
	return nil
}

// withHint adds how to go on, unless there is nothing to say.
func (e *Exporter) withHint(err error) error {
	hint := e.job.hint()
	if hint == "" || e.options.Quiet {
		return err
	}
	return fmt.Errorf("%w\nhint: %s", err, hint)
}

// Abort implements plugin.Target: what was written stays, without a pg_control.
func (e *Exporter) Abort() { e.progress.Close() }

// Close implements plugin.Target.
func (e *Exporter) Close(context.Context) error {
	if e.job == nil {
		return nil
	}
	return e.job.close()
}

// begin tells from the directory what the restore is.
func begin(o *options.PhysicalRestore, directory string) (job, error) {
	found, err := findWAL(o, directory)
	switch {
	case err != nil:
		return nil, err
	case found:
		return newWALRestore(o, directory)
	}
	return beginBase(o, directory)
}

// findWAL reports whether WAL is restored into the directory, and refuses options that only WAL
// can meet if it is not.
func findWAL(o *options.PhysicalRestore, directory string) (bool, error) {
	found, err := findBase(directory)
	if name := o.NeedsWAL(); err == nil && !found && name != "" {
		err = fmt.Errorf("option %q: %s holds no base backup yet, whose WAL could be recovered up to there\n"+
			"hint: restore the base backup first, without %s, then the WAL into the same directory, with it", name, directory, name)
	}
	return found, err
}

// beginBase opens the directories, all or none.
func beginBase(o *options.PhysicalRestore, directory string) (*restore, error) {
	p, err := newPlan(o, directory)
	if err != nil {
		return nil, err
	}
	opened := p.directories()
	for i, d := range opened {
		if err := d.open(p.owner); err != nil {
			for _, before := range opened[:i] {
				err = errors.Join(err, before.abandon())
			}
			return nil, err
		}
	}
	return newRestore(o, p), nil
}

// plan is where a restore goes.
type plan struct {
	owner       owner
	data        *directory
	wal         *directory            // nil for pg_wal in the data directory
	tablespaces map[string]*directory // by name, OID or old location
}

// newPlan checks what the options name, and touches nothing.
func newPlan(o *options.PhysicalRestore, path string) (*plan, error) {
	own, err := findOwner(o.Owner, os.Geteuid())
	if err != nil {
		return nil, err
	}
	p := &plan{owner: own, data: &directory{option: "location", path: path}, tablespaces: make(map[string]*directory)}
	if o.WALDir != "" {
		p.wal = &directory{option: "wal_dir", path: filepath.Clean(o.WALDir)}
	}
	spaces, err := o.TablespaceMap()
	if err != nil {
		return nil, err
	}
	for which, path := range spaces {
		p.tablespaces[which] = &directory{option: "tablespaces", path: path}
	}
	for _, d := range p.directories() {
		if err := d.check(); err != nil {
			return nil, err
		}
	}
	return p, checkApart(p.directories())
}

func (p *plan) directories() []*directory {
	all := []*directory{p.data}
	if p.wal != nil {
		all = append(all, p.wal)
	}
	for _, d := range p.tablespaces {
		all = append(all, d)
	}
	return all
}

package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// partedDump is the dump of one database in several files (layout=tables). They arrive,
// and are restored, in the order of their names: the definitions, the data (several files
// at once if jobs allow), what is built on the data.
type partedDump struct {
	*restorer
	arrivals *arrivals

	path      string // of its directory, in what plakar was asked to restore
	database  string // that it is a dump of
	target    string // that it goes into
	arrived   map[string]bool
	selection left
	parts     selectedParts

	ready      bool               // data may go into the target
	blocked    error              // why nothing may
	standalone bool               // the definitions did not come: the target is one that may be in use
	clean      bool               // what is in the target is dropped
	properties *target.Properties // whose rest is to be restored in the end; nil for none
	prepared   *target.Database   // nil before its definitions came
	failed     atomic.Bool        // something of it could not be restored
	restored   restoredTables     // and not analyzed yet

	refusedMu    sync.Mutex
	refused      []refusedPart
	checked      map[[2]string]bool // tables, by schema and name, whose definitions have checks
	checkedTypes bool               // types have

	loaded   loadedTables // where only rows are restored
	postData *archive     // likewise: its table of contents, which says what is refreshed

	stopProgress func()

	data  sync.WaitGroup      // restored in the background
	slots *semaphore.Weighted // how many of its files at once
}

// has reports whether the part at pathname arrived.
func (d *partedDump) has(pathname string) bool { return d != nil && d.arrived[pathname] }

// part is a file of a parted dump, on its way into the database.
type part struct {
	*archive
	dump    *partedDump
	section recordname.Section
	// report acknowledges the part with the outcome, and returns it.
	report func(error) error
}

// receivePart takes in a file of a parted dump.
func (e *Exporter) receivePart(ctx context.Context, pathname string, content io.Reader, ack func(error)) error {
	name, _ := recordname.ParsePart(pathname)
	a := newArchive(name.Database, content)
	a.parted = true
	if err := a.identify(pathname); err != nil {
		ack(err)
		return e.tasks.errIfExitOnError(err)
	}
	if wanted, err := e.accept(a.database, name.Directory, ack); err != nil || !wanted {
		return err
	}
	d := e.partedDumpOf(a.database, name.Directory)
	d.arrived[pathname] = true
	if name.Section == recordname.PostData && e.options.DataOnly {
		d.postData = a
	}
	p := &part{archive: a, dump: d, section: name.Section}
	p.report = func(err error) error {
		if err != nil {
			d.failed.Store(true)
			err = fmt.Errorf("restoring database %q, %s: %w", e.targetOf(d.database), path.Base(pathname), err)
		}
		err = errors.Join(err, a.close())
		ack(err)
		return err
	}
	if selectsObjects(&e.options) || e.rowsInOrder() {
		e.attempted = true
		return e.tasks.errIfExitOnError(d.hold(ctx, p, name))
	}
	// Definitions that would replace a database wait until its rows come as well.
	wait := e.targetAmbiguous() || p.section == recordname.PreData && d.replaces()
	wanted, err := d.takePart(p, name, wait)
	if err != nil || !wanted {
		return e.tasks.errIfExitOnError(p.report(err))
	}
	e.attempted = true
	restore := func(ctx context.Context) error { return d.restorePart(ctx, p) }
	if wait {
		e.tasks.later(restore)
		return nil
	}
	return e.tasks.run(ctx, restore)
}

// identify makes sure that it is known which database the part is of.
func (a *archive) identify(pathname string) error {
	if a.database != "" {
		return nil
	}
	// plakar was asked for less than the directory, whose name it leaves out.
	if err := a.readTOC(); err != nil {
		return fmt.Errorf("%s: %w", pathname, err)
	}
	if a.database = a.toc.Header.Database; a.database == "" {
		return fmt.Errorf("%s: neither its name nor its content tells which database it is of", pathname)
	}
	return nil
}

// partedDumpOf returns the dump that a part belongs to.
func (e *Exporter) partedDumpOf(database, pathname string) *partedDump {
	d, there := e.parted[database]
	if !there {
		d = &partedDump{
			restorer: e.restorer, arrivals: e.arrivals,
			path: pathname, database: database, target: e.targetOf(database), arrived: make(map[string]bool),
			slots: semaphore.NewWeighted(int64(e.options.Jobs)), stopProgress: func() {},
		}
		e.parted[database] = d
	}
	return d
}

// takePart decides whether there is something in the part to be restored, and spools
// one that has to wait.
func (d *partedDump) takePart(p *part, name recordname.Part, wait bool) (wanted bool, err error) {
	if p.section == recordname.Data && d.options.SchemaOnly {
		d.selection.skipped = true
		return false, nil
	}
	retry, err := d.mayRefuse(p)
	if err != nil {
		return false, err
	}
	if wait || retry || d.options.Jobs > 1 {
		if err := p.spool(d.files); err != nil {
			return false, err
		}
		p.jobs = d.jobsForPart(p.archive, name)
	}
	return d.selectFrom(p)
}

// jobsForPart returns how many connections to restore a spooled part with. pg_restore
// loads one table with one of them.
func (d *partedDump) jobsForPart(a *archive, name recordname.Part) int {
	switch {
	case name.Section == recordname.PreData, name.Table != "", d.info.HasShortLivedPassword():
		return 1
	case name.Section == recordname.PostData:
		return d.options.Jobs // a small file, and perhaps hours of building indexes
	default:
		return d.jobsFor(a)
	}
}

// restorePart restores a part or, in the background, begins to.
func (d *partedDump) restorePart(ctx context.Context, p *part) error {
	if p.section == recordname.PreData {
		err := d.restorePreData(ctx, p)
		if d.ready {
			d.restored.add(&d.runner, p.archive)
		}
		return p.report(err)
	}
	if err := d.checkTarget(ctx); err != nil {
		return p.report(err)
	}
	d.restored.add(&d.runner, p.archive)
	restore := func(ctx context.Context) error {
		if p.section == recordname.PostData {
			return p.report(d.restorePostData(ctx, p))
		}
		err := d.loadPart(ctx, p)
		if d.keepRefused(p, err) {
			return nil
		}
		return p.report(err)
	}
	switch {
	case d.options.Jobs == 1:
		return restore(ctx)
	case p.section == recordname.PostData:
		d.tasks.startAfter(ctx, d.data.Wait, p.jobs, restore, func(err error) { _ = p.report(err) })
		return nil
	default:
		return d.startData(ctx, p, restore)
	}
}

// startData restores data in the background as soon as it can begin; until then the
// next record has to wait.
func (d *partedDump) startData(ctx context.Context, p *part, restore task) error {
	if err := d.slots.Acquire(ctx, 1); err != nil {
		return p.report(context.Cause(ctx))
	}
	d.data.Add(1)
	done := func() {
		d.data.Done()
		d.slots.Release(1)
	}
	err := d.tasks.start(ctx, p.jobs, func(ctx context.Context) error {
		defer done()
		return restore(ctx)
	})
	if err != nil {
		done()
		return p.report(err)
	}
	return nil
}

// loadPart restores what is in the archive, and expects the target to be ready.
func (d *partedDump) loadPart(ctx context.Context, p *part) error {
	return d.inOrder(ctx,
		func() error { return d.restoreNeeds(ctx, p.archive) },
		func() error {
			if d.options.DataOnly {
				return d.loadRowsOf(ctx, p)[0]
			}
			if err := d.adaptPart(ctx, p); err != nil {
				return err
			}
			switch {
			case d.standalone:
				return d.mergePart(ctx, p)
			case p.section == recordname.PostData && p.jobs > 1:
				return d.buildInParallel(ctx, p)
			}
			return d.pgRestore(ctx, p.archive, d.targetInfo(), pgtools.Restore{Clean: d.clean, Jobs: p.jobs})
		},
	)
}

// adaptPart is adapt for a part that follows the definitions, or came alone.
func (d *partedDump) adaptPart(ctx context.Context, p *part) error {
	var plan target.Plan
	if d.prepared != nil {
		plan = d.prepared.Plan
	}
	if err := p.readTOC(); err != nil {
		return err
	}
	if !createsGranted(p.archive) {
		return nil
	}
	return d.adaptTo(ctx, d.target, plan, p.archive)
}

// restorePostData restores the last part, and what was left to be done in the end.
func (d *partedDump) restorePostData(ctx context.Context, p *part) error {
	d.retryRefused(ctx)
	return d.inOrder(ctx,
		func() error { return d.loadPart(ctx, p) },
		func() error { return d.analyze(ctx, d.database, d.target, p.jobs, &d.restored) },
		func() error { return d.restoreRest(ctx) },
	)
}

// restoreRest restores the properties that come last, once.
func (d *partedDump) restoreRest(ctx context.Context) error {
	d.stopProgress()
	if d.properties == nil || d.prepared.Replacement.Pending() {
		return nil
	}
	properties := d.properties
	d.properties = nil
	return properties.RestoreRest(ctx, d.server, d.target, d.options.ExitOnError)
}

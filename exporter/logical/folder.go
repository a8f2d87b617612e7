package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// directory is the dump of one database in parts. They arrive, and are restored, in the
// order of their names: the definitions, the data (several files at once if jobs
// allow), what is built on the data.
type folder struct {
	path     string // in what plakar was asked to restore
	database string // that it is a dump of
	target   string // that it goes into
	arrived  map[string]bool
	choice   choice // of what is in it

	ready   bool   // data may go into the target
	blocked error  // why nothing may
	alone   bool   // the definitions did not come: the target is one that may be in use
	clean   bool   // what is in the target is dropped
	rest    string // what the definitions left to be done in the end: statements

	data  sync.WaitGroup      // restored in the background
	slots *semaphore.Weighted // how many of its files at once
}

// has reports whether the part at pathname arrived.
func (f *folder) has(pathname string) bool { return f != nil && f.arrived[pathname] }

// whole reports whether plakar was asked for all parts, and not for one file. That is
// not known before what follows the definitions.
func (e *Exporter) whole(f *folder) bool {
	return e.dirs[path.Clean(recordname.DataDirectory(f.path))]
}

// replaces reports whether what is in the target is to go.
func (e *Exporter) replaces() bool { return e.options.Recreate || e.options.Clean }

func (e *Exporter) receivePart(ctx context.Context, pathname string, content io.Reader, ack func(error)) error {
	p, _ := recordname.ParsePart(pathname)
	a := newArchive(p.Database, content)
	a.part = true
	if err := a.identify(pathname); err != nil {
		ack(err)
		return e.stopOn(err)
	}
	if wanted, err := e.admit(a.database, p.Directory, ack); err != nil || !wanted {
		return err
	}
	f := e.folderOf(a.database, p.Directory)
	f.arrived[pathname] = true
	wait := e.uncertain() || p.Section == recordname.PreData && e.replaces()
	wanted, err := e.takePart(ctx, f, p, a, wait)
	ended := func(err error) error {
		if err != nil {
			err = fmt.Errorf("restoring database %q, %s: %w", f.target, path.Base(pathname), err)
		}
		err = errors.Join(err, a.close())
		ack(err)
		return err
	}
	if err != nil || !wanted {
		return e.stopOn(ended(err))
	}
	e.done = true
	restore := func(ctx context.Context) error { return e.restorePart(ctx, f, p.Section, a, ended) }
	if wait {
		e.waiting = append(e.waiting, restore)
		return nil
	}
	return e.stopOn(restore(ctx))
}

// identify makes sure that it is known which database the part is of.
func (a *archive) identify(pathname string) error {
	if a.database != "" {
		return nil
	}
	// plakar was asked for less than the directory, whose name it leaves out.
	if _, err := a.begin(); err != nil {
		return fmt.Errorf("%s: %w", pathname, err)
	}
	if a.database = a.made; a.database == "" {
		return fmt.Errorf("%s: neither its name nor its content tells which database it is of", pathname)
	}
	return nil
}

// folderOf returns the directory that a part belongs to.
func (e *Exporter) folderOf(database, pathname string) *folder {
	f, there := e.folders[database]
	if !there {
		f = &folder{
			path: pathname, database: database, target: e.info.Database(), arrived: make(map[string]bool),
			choice: choice{found: make(map[string]bool)},
			slots:  semaphore.NewWeighted(int64(e.options.Jobs)),
		}
		if f.target == "" {
			f.target = database
		}
		e.folders[database] = f
	}
	return f
}

// takePart decides whether there is something in the part to be restored, and spools
// one that has to wait.
func (e *Exporter) takePart(ctx context.Context, f *folder, p recordname.Part, a *archive, wait bool) (wanted bool, err error) {
	a.jobs = 1
	if p.Section == recordname.Data && e.options.SchemaOnly {
		f.choice.left = true
		return false, nil
	}
	if wait || e.options.Jobs > 1 {
		if err := a.spool(e.files); err != nil {
			return false, err
		}
		a.jobs = e.jobsForPart(a, p)
	}
	return e.choose(ctx, f, p.Section, a)
}

// jobsForPart returns how many connections to restore a spooled part with. pg_restore
// loads one table with one of them.
func (e *Exporter) jobsForPart(a *archive, p recordname.Part) int {
	switch {
	case p.Section == recordname.PreData, p.Table != "", e.info.HasShortLivedPassword():
		return 1
	case p.Section == recordname.PostData:
		return e.options.Jobs // a small file, and perhaps hours of building indexes
	default:
		return e.jobsFor(a)
	}
}

// restorePart restores a part or, in the background, begins to; ended is called
// with the outcome and returns it.
func (e *Exporter) restorePart(ctx context.Context, f *folder, section recordname.Section, a *archive, ended func(error) error) error {
	if e.stopped.Load() {
		return ended(errStopped)
	}
	if section == recordname.PreData {
		return ended(e.restoreDefinitions(ctx, f, a))
	}
	if err := e.open(ctx, f); err != nil {
		return ended(err)
	}
	restore := func(ctx context.Context) error {
		if section == recordname.PostData {
			return ended(e.restoreEnd(ctx, f, a))
		}
		return ended(e.loadPart(ctx, f, a))
	}
	switch {
	case e.options.Jobs == 1:
		return restore(ctx)
	case section == recordname.PostData:
		e.afterData(ctx, f, a, restore, ended)
		return nil
	default:
		return e.besideOthers(ctx, f, a, restore)
	}
}

// besideOthers restores data in the background as soon as it can begin; until then the
// next record has to wait.
func (e *Exporter) besideOthers(ctx context.Context, f *folder, a *archive, restore func(context.Context) error) error {
	if err := f.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	f.data.Add(1)
	err := e.inParallel(ctx, a, func(ctx context.Context) error {
		defer f.data.Done()
		defer f.slots.Release(1)
		return restore(ctx)
	})
	if err != nil {
		f.data.Done()
		f.slots.Release(1)
	}
	return err
}

// afterData restores in the background what needs all data of the database.
func (e *Exporter) afterData(ctx context.Context, f *folder, a *archive, restore func(context.Context) error, ended func(error) error) {
	e.running.Go(func() {
		f.data.Wait()
		weight := int64(a.jobs)
		err := e.slots.Acquire(ctx, weight)
		if err == nil {
			defer e.slots.Release(weight)
			if e.stopped.Load() {
				err = errStopped
			}
		}
		if err != nil {
			_ = ended(err) // acknowledges it
			return
		}
		e.inBackground(ctx, restore)
	})
}

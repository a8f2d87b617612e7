package logical

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// smallDump is the size in bytes of a dump that more connections would not
// restore faster.
const smallDump = 16 << 20

// errStopped ends a restore with exit_on_error after the error itself has been
// acknowledged.
var errStopped = errors.New("exit_on_error: stopped at the first error, the rest was not restored")

// uncertain reports whether there may yet be more dumps than the one that the
// target database can take.
func (e *Exporter) uncertain() bool {
	return e.info.Database() != "" && len(e.options.Databases) != 1
}

// whenCertain runs restore now, or in Finish.
func (e *Exporter) whenCertain(ctx context.Context, restore func(context.Context) error) error {
	e.done = true
	if e.uncertain() {
		e.waiting = append(e.waiting, restore)
		return nil
	}
	return e.stopOn(restore(ctx))
}

// restoreWaiting runs what waited.
func (e *Exporter) restoreWaiting(ctx context.Context) error {
	waiting := e.waiting
	e.waiting = nil
	for _, restore := range waiting {
		if err := e.stopOn(restore(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Exporter) stopOn(err error) error {
	if err != nil && e.options.ExitOnError {
		return errStopped
	}
	return nil
}

// jobsFor returns how many connections to restore a spooled archive with.
func (e *Exporter) jobsFor(a *archive) int {
	// With several, pg_restore connects once more when its workers are done, with the
	// password that it began with.
	if size, err := a.file.Stat(); err != nil || size.Size() < smallDump || e.info.HasShortLivedPassword() {
		return 1
	}
	return e.options.Jobs
}

// inParallel runs restore in the background as soon as connections for it are
// free; until then the next record has to wait.
func (e *Exporter) inParallel(ctx context.Context, a *archive, restore func(context.Context) error) error {
	e.done = true
	weight := int64(a.jobs)
	if err := e.slots.Acquire(ctx, weight); err != nil {
		return err
	}
	if e.stopped.Load() {
		e.slots.Release(weight)
		return errStopped
	}
	e.running.Go(func() {
		defer e.slots.Release(weight)
		e.inBackground(ctx, restore)
	})
	return nil
}

// inBackground runs restore, after which nothing more is begun if it fails and
// exit_on_error is set.
func (e *Exporter) inBackground(ctx context.Context, restore func(context.Context) error) {
	if e.stopOn(restore(ctx)) != nil {
		e.stopped.Store(true)
	}
}

// Finish implements plugin.Target: it restores what waited and checks that
// everything was there.
func (e *Exporter) Finish(ctx context.Context) error {
	err := e.restoreWaiting(ctx)
	e.running.Wait() // they acknowledge, which they may do no later than now
	if err != nil {
		return err
	}
	return errors.Join(e.finishFolders(ctx), e.checkNames(), e.checkMissing(), e.checkAny())
}

// Abort implements plugin.Target: what waited is not restored.
func (e *Exporter) Abort() {
	e.waiting = nil
	e.running.Wait()
}

// checkNames refuses names in "databases" that the snapshot does not have.
func (e *Exporter) checkNames() error {
	var unknown []string
	for _, name := range e.options.Databases {
		if e.seen[name] == "" {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("option \"databases\": the snapshot has no dump of %s", strings.Join(unknown, ", "))
}

// checkMissing compares what arrived with what the manifest says was to be saved:
// a dump that failed under continue_on_error, or that was excluded, is not there.
func (e *Exporter) checkMissing() error {
	var missing []string
	for _, file := range e.expected {
		switch kind, database := route(file.Path); {
		case kind == globals && !e.roles && !e.options.NoGlobals && !e.options.DataOnly:
			missing = append(missing, "the globals")
		case kind == dump && e.seen[database] == "" && (len(e.options.Databases) == 0 || slices.Contains(e.options.Databases, database)):
			missing = append(missing, fmt.Sprintf("the dump of %q", database))
		case kind == section && !e.folders[database].has(file.Path) && (len(e.options.Databases) == 0 || slices.Contains(e.options.Databases, database)):
			missing = append(missing, fmt.Sprintf("%s of the dump of %q", path.Base(file.Path), database))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the snapshot lacks %s: it failed during the backup, was excluded from it or cannot be read\nhint: name the databases to restore with the option databases", strings.Join(missing, ", "))
}

func (e *Exporter) checkAny() error {
	if e.done || len(e.options.Databases) > 0 || len(e.seen) > 0 || e.options.NoGlobals || e.options.DataOnly {
		return nil
	}
	return errors.New("nothing was restored: there are neither globals nor dumps in what was given")
}

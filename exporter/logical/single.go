package logical

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// smallDump is the size in bytes of a dump that more connections would not
// restore faster.
const smallDump = 16 << 20

// receiveDump takes in the dump of one database in one file.
func (e *Exporter) receiveDump(ctx context.Context, database, pathname string, content io.Reader, ack func(error)) error {
	if wanted, err := e.accept(database, pathname, ack); err != nil || !wanted {
		return err
	}
	a := newArchive(database, content)
	if err := e.noteRowsOnly(ctx, a); err != nil {
		ack(err)
		return e.tasks.errIfExitOnError(err)
	}
	if e.targetAmbiguous() || e.options.Jobs > 1 {
		if err := a.spool(e.files); err != nil {
			ack(err)
			return e.tasks.errIfExitOnError(err)
		}
		a.jobs = e.jobsFor(a)
	}
	e.attempted = true
	restore := func(ctx context.Context) error {
		err := e.restoreDump(ctx, a)
		if err != nil {
			err = fmt.Errorf("restoring database %q: %w", e.targetOf(database), err)
		}
		err = errors.Join(err, a.close())
		ack(err)
		return err
	}
	if e.targetAmbiguous() || e.options.Jobs == 1 {
		return e.runOrDefer(ctx, restore)
	}
	return e.tasks.start(ctx, a.jobs, restore)
}

// jobsFor returns how many connections to restore a spooled archive with.
func (r *restorer) jobsFor(a *archive) int {
	// With several, pg_restore connects once more when its workers are done, with the
	// password that it began with.
	if size, err := a.file.Stat(); err != nil || size.Size() < smallDump || r.info.HasShortLivedPassword() {
		return 1
	}
	return r.options.Jobs
}

// restoreDump restores the dump of one database.
func (r *restorer) restoreDump(ctx context.Context, a *archive) error {
	d, needsErr, err := r.prepare(ctx, a)
	if err != nil {
		return conclude(ctx, d, errors.Join(needsErr, err))
	}
	stopProgress := r.startProgress(ctx, a.database, d.Name, d.Create || d.Replace)
	// What fails from here on is reported when the rest has been restored.
	err = r.inOrder(ctx,
		func() error { return d.Properties.RestoreSettings(ctx, r.server, d.Name, r.options.ExitOnError) },
		func() error {
			if r.options.DataOnly {
				return r.restoreRows(ctx, a, d)
			}
			err := r.pgRestore(ctx, a, d.Info, pgtools.Restore{Clean: d.Clean, Filled: meetsTables(&r.options, d), Jobs: a.jobs})
			return rowLoader{runner: &r.runner, info: d.Info}.retry(ctx, a, err)
		},
		func() error { return r.analyzeRestored(ctx, d.Name, a) },
		func() error {
			if d.Replacement.Pending() {
				return nil // when it has its name
			}
			return d.Properties.RestoreRest(ctx, r.server, d.Name, r.options.ExitOnError)
		},
	)
	stopProgress()
	err = conclude(ctx, d, errors.Join(needsErr, err))
	r.libraries.add(d, err)
	return err
}

// conclude lets a new database take the place of the old one, or says that it does not, if there is
// one to be replaced. err is what failed in its restore.
func conclude(ctx context.Context, d *target.Database, err error) error {
	switch {
	case d == nil || d.Replacement == nil, err != nil && !d.Replacement.Pending():
		return err
	case err != nil:
		return d.Replacement.Incomplete(ctx, err)
	}
	return d.Replacement.Complete(ctx)
}

// restoreRows restores the rows of a dump, checks them, and refreshes what is made of them.
func (r *restorer) restoreRows(ctx context.Context, a *archive, d *target.Database) error {
	l := rowLoader{&r.runner, d.Info, new(loadedTables)}
	return r.inOrder(ctx,
		func() error {
			failures, err := l.load(ctx, []*archive{a}, all)
			return errors.Join(l.retry(ctx, a, failures[a]), err)
		},
		func() error { return l.check(ctx) },
		func() error { return l.refreshViews(ctx, a) },
	)
}

// all is a choice of everything.
func all(*dumparchive.Entry) bool { return true }

// prepare makes the target ready for what is in the archive: what of the roles and
// tablespaces it needs, whose error does not keep the dump away, and the database itself.
func (r *restorer) prepare(ctx context.Context, a *archive) (d *target.Database, needsErr, err error) {
	if err := a.readTOC(); err != nil {
		return nil, nil, err
	}
	// Without a tool nothing is touched.
	if _, err := r.toolsFor(ctx, a); err != nil {
		return nil, nil, err
	}
	dump := target.Dump{
		TOC: a.toc, Database: a.database, Parted: a.parted, Size: r.cluster.size(a.database),
		NoPublic: r.cluster.lacksPublic(a.database), NoPlpgsql: r.cluster.lacksPlpgsql(a.database),
	}
	if !a.parted {
		var into place
		if into.name, into.exists, err = target.Locate(ctx, r.server, &r.options, dump, r.info.Database()); err != nil {
			return nil, nil, err
		}
		if err := r.chooser().choose(ctx, into, a); err != nil {
			return nil, nil, err
		}
	}
	if err := r.checkSearchPath(ctx, dump); err != nil {
		return nil, nil, err
	}
	if needsErr = r.restoreNeeds(ctx, a); needsErr != nil && (r.options.ExitOnError || ctx.Err() != nil) {
		return nil, nil, needsErr
	}
	if err := r.addNeeds(a, &dump); err != nil {
		return nil, needsErr, err
	}
	if d, err = target.Prepare(ctx, r.server, &r.options, dump, r.info.Database()); err != nil {
		return d, needsErr, err
	}
	if err = r.warnOfMoney(ctx, a, d.Name); err != nil {
		return d, needsErr, err
	}
	if err = r.adapt(ctx, d, a); err != nil {
		return d, needsErr, err
	}
	if err = r.makeSchemas(ctx, a, d.Name); r.options.ExitOnError {
		return d, needsErr, err
	}
	return d, errors.Join(needsErr, err), nil
}

// addNeeds adds what a database that is made anew has to find on the server.
func (r *restorer) addNeeds(a *archive, dump *target.Dump) error {
	if !r.options.Recreates() {
		return nil
	}
	needs, err := needsOf(a, &r.options)
	if err != nil {
		return fmt.Errorf("looking for what the dump needs: %w", err)
	}
	dump.Roles, dump.Tablespaces = needs.Roles, needs.Tablespaces
	return nil
}

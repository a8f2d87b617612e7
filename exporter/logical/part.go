package logical

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// restoreDefinitions restores the first part: it does with the database what is to be
// done with it and fills it with empty tables. Later parts depend on how that went.
func (e *Exporter) restoreDefinitions(ctx context.Context, f *folder, a *archive) error {
	f.blocked = errors.New("left out: its definitions could not be restored")
	if e.replaces() && !e.whole(f) {
		return errAlone
	}
	t, err := e.prepare(ctx, a, f.target)
	if err != nil {
		return err
	}
	f.clean = t.do.clean // of the later parts, too: a publication or a large object needs no table
	errs := []error{t.own.lost, e.runScript(ctx, []byte(t.own.settings))}
	if errors.Join(errs...) != nil && e.options.ExitOnError {
		return errors.Join(errs...)
	}
	err = e.pgRestore(ctx, a, t.tools, t.info, pgtools.Restore{Clean: f.clean, Filled: t.filled})
	f.rest = t.own.rest
	switch {
	case err == nil:
	case t.filled && !e.options.DataOnly && !e.options.SchemaOnly:
		// Rows would be added to those of a table that was there.
		f.blocked = errors.New("left out: the database had tables before, and not all definitions could be restored")
		return errors.Join(append(errs, fmt.Errorf("%w\nhint: the rows are not restored, as the database had tables before; recreate=true replaces it, data_only=true adds the rows to its tables", err))...)
	}
	f.blocked, f.ready = nil, true
	return errors.Join(append(errs, err)...)
}

// open checks that what follows the definitions may go into the target.
func (e *Exporter) open(ctx context.Context, f *folder) error {
	if f.ready || f.blocked != nil {
		return f.blocked
	}
	err := e.checkAlone(ctx, f)
	if err != nil {
		f.blocked = errors.New("left out as well")
	}
	f.ready, f.alone = err == nil, err == nil
	return err
}

// errAlone refuses to replace a database by a part of its dump.
var errAlone = errors.New("alone, a part is added to a database that is there, which \"recreate\" and \"clean\" contradict: nothing was touched\nhint: add -o recreate=false -o clean=false, or restore the whole directory of the database")

// checkAlone checks whether a part can be restored that came without the definitions.
func (e *Exporter) checkAlone(ctx context.Context, f *folder) error {
	switch {
	case e.whole(f) && !e.options.DataOnly:
		return fmt.Errorf("%s is missing in the snapshot, without which nothing of the database can be restored", path.Base(recordname.PreDataFile(f.path)))
	case e.replaces():
		return errAlone
	}
	conn, err := e.server.info.Connect(ctx, e.server.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	exists, err := lookup(ctx, conn, f.target)
	if err == nil && !exists {
		err = errors.New("the database does not exist\nhint: restore the directory of the whole database, or its 1-pre-data.dump first; the option database names another target")
	}
	return err
}

// loadPart restores what is in the archive, and expects the target to be ready.
func (e *Exporter) loadPart(ctx context.Context, f *folder, a *archive) error {
	tools, err := e.toolsFor(ctx, a)
	if err != nil {
		return err
	}
	if f.alone {
		return e.addPart(ctx, f, a, tools)
	}
	return e.pgRestore(ctx, a, tools, e.server.info.WithDatabase(f.target), pgtools.Restore{Part: true, Clean: f.clean, Jobs: a.jobs})
}

// restoreEnd restores the last part, and what was left to be done in the end.
func (e *Exporter) restoreEnd(ctx context.Context, f *folder, a *archive) error {
	build := e.loadPart
	if a.jobs > 1 {
		build = e.buildInParallel
	}
	err := build(ctx, f, a)
	if err != nil && (e.options.ExitOnError || ctx.Err() != nil) {
		return err
	}
	return errors.Join(err, e.finishFolder(ctx, f))
}

// indexEntry is a line of pg_restore --list about what takes time and locks one table
// only: an index, or a key.
var indexEntry = regexp.MustCompile(`^\d+; \d+ \d+ (INDEX|CONSTRAINT) `)

// attachEntry looks like one, and locks several.
var attachEntry = regexp.MustCompile(`^\d+; \d+ \d+ INDEX ATTACH `)

// buildInParallel restores the last part with several connections: the indexes and
// keys at once, and then the rest by one. pg_restore itself keeps statements apart that
// lock the same table, or they would run into deadlocks, but only for an archive that
// has the tables, too.
// Source: identify_locking_dependencies in src/bin/pg_dump/pg_backup_archiver.c
func (e *Exporter) buildInParallel(ctx context.Context, f *folder, a *archive) error {
	tools, err := e.toolsFor(ctx, a)
	if err != nil {
		return err
	}
	listed, err := e.peek(ctx, a, tools, "--list")
	if err != nil {
		return err
	}
	var indexes, rest strings.Builder
	for line := range strings.Lines(listed) {
		if indexEntry.MatchString(line) && !attachEntry.MatchString(line) {
			indexes.WriteString(line)
		} else {
			rest.WriteString(line)
		}
	}
	var errs []error
	for _, entries := range []struct {
		list string
		jobs int
	}{{indexes.String(), a.jobs}, {rest.String(), 1}} {
		err := e.restoreEntries(ctx, f, a, tools, entries.list, entries.jobs)
		errs = append(errs, err)
		if err != nil && (e.options.ExitOnError || ctx.Err() != nil) {
			break
		}
	}
	return errors.Join(errs...)
}

// restoreEntries restores those entries of an archive that are in the list.
func (e *Exporter) restoreEntries(ctx context.Context, f *folder, a *archive, tools pgtools.Installation, entries string, jobs int) error {
	list, err := e.files.Write([]byte(entries))
	if err != nil {
		return err
	}
	defer func() { _ = list.Remove() }()
	return e.pgRestore(ctx, a, tools, e.server.info.WithDatabase(f.target), pgtools.Restore{Part: true, Clean: f.clean, Jobs: jobs, List: list.Path})
}

// finishFolder does what was left to be done in the end.
func (e *Exporter) finishFolder(ctx context.Context, f *folder) error {
	script := f.rest
	f.rest = ""
	return e.runScript(ctx, []byte(script))
}

// finishFolders does that for dumps whose last part did not come, and reports parts
// that are missing, and what was asked for and is in none.
func (e *Exporter) finishFolders(ctx context.Context) error {
	var errs []error
	for _, f := range e.folders {
		if err := e.finishFolder(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("restoring database %q: %w", f.target, err))
		}
		if err := e.checkChoice(f); err != nil {
			errs = append(errs, fmt.Errorf("database %q: %w", f.database, err))
		}
		if e.expected != nil || !e.whole(f) {
			continue // the manifest tells, or one file was asked for
		}
		for _, pathname := range []string{recordname.PreDataFile(f.path), recordname.OthersFile(f.path), recordname.PostDataFile(f.path)} {
			if !f.has(path.Clean(pathname)) {
				errs = append(errs, fmt.Errorf("database %q: %s is missing in the snapshot", f.database, path.Clean(pathname)))
			}
		}
	}
	return errors.Join(errs...)
}

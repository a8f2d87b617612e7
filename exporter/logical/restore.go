package logical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// restore restores a dump into its target database.
func (e *Exporter) restore(ctx context.Context, a *archive) error {
	target := e.info.Database()
	if target == "" {
		target = a.database
	}
	if err := e.restoreInto(ctx, a, target); err != nil {
		return fmt.Errorf("restoring database %q: %w", target, err)
	}
	return nil
}

func (e *Exporter) restoreInto(ctx context.Context, a *archive, target string) error {
	t, err := e.prepare(ctx, a, target)
	if err != nil {
		return err
	}
	// What fails from here on is reported when the rest has been restored.
	errs := []error{t.own.lost}
	for _, do := range []func() error{
		func() error { return e.runScript(ctx, []byte(t.own.settings)) },
		func() error {
			return e.pgRestore(ctx, a, t.tools, t.info, pgtools.Restore{Clean: t.do.clean, Filled: t.filled, Jobs: a.jobs})
		},
		func() error { return e.runScript(ctx, []byte(t.own.rest)) },
	} {
		err := do()
		errs = append(errs, err)
		if err != nil && (e.options.ExitOnError || ctx.Err() != nil) {
			break
		}
	}
	return errors.Join(errs...)
}

// prepared is a database that a dump, or the first part of one, can go into.
type prepared struct {
	do     step
	own    properties // to be restored
	tools  pgtools.Installation
	info   conninfo.Info
	filled bool // it has tables already
}

// prepare makes the target ready for what is in the archive.
func (e *Exporter) prepare(ctx context.Context, a *archive, target string) (t prepared, err error) {
	if t.tools, err = e.toolsFor(ctx, a); err != nil {
		return t, err
	}
	if t.do, t.own, err = e.prepareDatabase(ctx, a, target, t.tools); err != nil {
		return t, err
	}
	t.info = e.server.info.WithDatabase(target)
	if !t.do.create {
		if t.filled, err = hasTables(ctx, t.info, target); err != nil {
			return t, err
		}
	}
	if a.part && t.do.clean && t.filled {
		return t, errNotCleaned
	}
	if len(e.options.Schemas) > 0 && !e.options.DataOnly {
		err = createSchemas(ctx, t.info, target, e.options.Schemas)
	}
	return t, err
}

// errNotCleaned refuses to clean for a dump in parts: the tables are created anew by
// the first part, and foreign keys that only the last one would drop hold the old ones.
var errNotCleaned = errors.New("it has tables, and a dump in several files (layout=tables) cannot replace them one by one: nothing was touched\nhint: let recreate=true replace the whole database (but postgres and template1), or restore into another with the option database")

// toolsFor finds the pg_restore that reads the archive.
func (e *Exporter) toolsFor(ctx context.Context, a *archive) (pgtools.Installation, error) {
	major, err := a.begin()
	if err != nil {
		return pgtools.Installation{}, err
	}
	return pgtools.Find(ctx, e.options.PgBinDir, e.server.major, major, pgtools.PgRestore)
}

// prepareDatabase does what comes before pg_restore, and returns the properties
// that are to be restored.
func (e *Exporter) prepareDatabase(ctx context.Context, a *archive, target string, tools pgtools.Installation) (do step, p properties, err error) {
	conn, err := e.server.info.Connect(ctx, e.server.database)
	if err != nil {
		return do, p, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	exists, err := lookup(ctx, conn, target)
	if err != nil {
		return do, p, err
	}
	if do, err = decide(&e.options, a.database, target, exists); err != nil {
		return do, p, err
	}
	if do.properties {
		// This reads the table of contents: a dump without a whole one is found out
		// before anything is dropped.
		if p, err = e.propertiesOf(ctx, a, tools, target); err != nil {
			return do, p, err
		}
	}
	switch {
	case do.drop:
		err = e.replaceDatabase(ctx, conn, a.database, target, p)
	case do.create:
		if _, err = conn.Exec(ctx, p.create); err != nil {
			err = fmt.Errorf("creating it: %w", err)
		}
	}
	return do, p, err
}

// pgRestore runs pg_restore on the archive.
func (e *Exporter) pgRestore(ctx context.Context, a *archive, tools pgtools.Installation, info conninfo.Info, r pgtools.Restore) error {
	env, err := info.Env(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var said restoreLog
	c := proc.Command{Path: tools.Path(pgtools.PgRestore), Env: append(env, "LC_ALL=C")}
	r.File, c.Stdin = a.open()
	// With --exit-on-error it would stop at its own first statement: then we stop it
	// at the first failure of the dump's.
	r.IgnoreErrors = pgtools.SetsUnknownTimeout(tools.Major, e.server.major)
	if r.IgnoreErrors {
		// Once; in parallel before the workers, whose own do not count, and after them.
		// Source: restore_toc_entries_postfork in src/bin/pg_dump/pg_backup_archiver.c
		said.settings = min(max(r.Jobs, 1), 2)
	}
	c.Args = pgtools.RestoreArgs(&e.options, r, info.ConnString())
	err = said.judge(proc.RunLines(ctx, c, func(line string) {
		said.add(line)
		if r.IgnoreErrors && e.options.ExitOnError && said.failed() {
			stop(errStopped)
		}
	}))
	if text := said.String(); err == nil && text != "" {
		slog.Warn(fmt.Sprintf("restoring database %q: %s", a.database, text))
	}
	if err != nil && olderThan(e.server.major, a.origin) {
		return fmt.Errorf("%w\nhint: the dump was made of PostgreSQL %s, and this server is %s: it need not understand all of it", err, a.origin, e.server.version)
	}
	return err
}

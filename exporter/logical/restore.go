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
	major, err := a.begin()
	if err != nil {
		return err
	}
	tools, err := pgtools.Find(ctx, e.options.PgBinDir, e.server.major, major, pgtools.PgRestore)
	if err != nil {
		return err
	}
	do, p, err := e.prepareDatabase(ctx, a, target, tools)
	if err != nil {
		return err
	}
	info := e.server.info.WithDatabase(target)
	r := pgtools.Restore{Clean: do.clean, Jobs: a.jobs}
	if !do.create {
		if r.Filled, err = hasTables(ctx, info, target); err != nil {
			return err
		}
	}
	if len(e.options.Schemas) > 0 && !e.options.DataOnly {
		if err := createSchemas(ctx, info, target, e.options.Schemas); err != nil {
			return err
		}
	}
	// What fails from here on is reported when the rest has been restored.
	errs := []error{p.lost}
	for _, do := range []func() error{
		func() error { return e.runScript(ctx, []byte(p.settings)) },
		func() error { return e.pgRestore(ctx, a, tools, info, r) },
		func() error { return e.runScript(ctx, []byte(p.rest)) },
	} {
		err := do()
		errs = append(errs, err)
		if err != nil && (e.options.ExitOnError || ctx.Err() != nil) {
			break
		}
	}
	return errors.Join(errs...)
}

// prepareDatabase does what comes before pg_restore, and returns the properties
// that are to be restored.
func (e *Exporter) prepareDatabase(ctx context.Context, a *archive, target string, tools pgtools.Set) (do step, p properties, err error) {
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
		err = replaceDatabase(ctx, conn, a.database, target, p, e.options.Force)
	case do.create:
		if _, err = conn.Exec(ctx, p.create); err != nil {
			err = fmt.Errorf("creating it: %w", err)
		}
	}
	return do, p, err
}

// pgRestore runs pg_restore on the archive.
func (e *Exporter) pgRestore(ctx context.Context, a *archive, tools pgtools.Set, info conninfo.Info, r pgtools.Restore) error {
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
	r.GoOn = pgtools.ForeignTimeout(tools.Major, e.server.major)
	c.Args = pgtools.RestoreArgs(&e.options, r, info.ConnString())
	err = said.judge(proc.RunLines(ctx, c, func(line string) {
		said.add(line)
		if r.GoOn && e.options.ExitOnError && said.failed() {
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

package logical

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// runner runs pg_restore on archives.
type runner struct {
	options options.Export
	files   *tempfile.Dir
	tools   *pgtools.Finder
	server  *server.Server // nil before the first record

	// asReplica are the settings that rows are loaded with where only rows are; nil if the
	// role may not set them.
	asReplica map[string]string
}

// toolsFor finds the pg_restore that reads the archive.
func (r *runner) toolsFor(ctx context.Context, a *archive) (pgtools.Installation, error) {
	return r.tools.Find(ctx, r.server.Major, a.oldestReader(), pgtools.PgRestore)
}

// pgRestore runs pg_restore on the archive, into the database that info names.
func (r *runner) pgRestore(ctx context.Context, a *archive, info conninfo.Info, what pgtools.Restore) error {
	if what.List == "" && r.isSelection(a) {
		return r.restoreEntries(ctx, a, info, what, all)
	}
	tools, err := r.toolsFor(ctx, a)
	if err != nil {
		return err
	}
	if err := r.writeSearchPath(ctx, a); err != nil {
		return err
	}
	if r.options.DataOnly {
		info = info.WithSettings(r.asReplica)
	}
	env, err := info.Env(ctx)
	if err != nil {
		return err
	}
	if err := r.dropSubscriptions(ctx, a, info, what); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var log restoreLog
	c := proc.Command{Path: tools.Path(pgtools.PgRestore), Env: append(env, "LC_ALL=C")}
	what.File, c.Stdin = a.open()
	// With --exit-on-error it would stop at its own first statement: then we stop it
	// at the first failure of the dump's.
	what.IgnoreErrors = pgtools.SetsUnknownTimeout(tools.Major, r.server.Major)
	if what.IgnoreErrors {
		// Once; in parallel before the workers, whose own do not count, and after them.
		// Source: restore_toc_entries_postfork in src/bin/pg_dump/pg_backup_archiver.c
		log.settings = min(max(what.Jobs, 1), 2)
	}
	c.Args = pgtools.RestoreArgs(&r.options, what, info.ConnString())
	err = log.result(proc.RunLines(ctx, c, func(line string) {
		log.add(line)
		if what.IgnoreErrors && r.options.ExitOnError && log.failed() {
			stop(errStopped)
		}
	}))
	if text := log.String(); err == nil && text != "" {
		slog.Warn(fmt.Sprintf("restoring database %q: %s", a.database, text))
	}
	r.warnOfSubscriptions(a, info.ConnectsTo())
	return log.refusal(r.explain(err, a, &log))
}

// explain adds to an error of pg_restore what helps against it.
func (r *runner) explain(err error, a *archive, log *restoreLog) error {
	if err != nil {
		err = r.explainMissing(err, log)
	}
	if err != nil && log.noLibrary {
		err = fmt.Errorf("%w\nhint: %s", err, conninfo.LibraryHint)
	}
	if err != nil && log.notMember {
		err = fmt.Errorf("%w\nhint: what could not be given to its owner belongs to the role that restores: restore as a superuser or as a member of the owner, or say no_owner=true", err)
	}
	if err != nil && a.newerThan(r.server.Major) {
		err = fmt.Errorf("%w\nhint: the dump was made of PostgreSQL %s, and this server is %s: it need not understand all of it", err, a.toc.Header.ServerVersion, r.server.Version)
	}
	return err
}

// isSelection reports whether not all entries of an archive are restored, or in another order.
func (r *runner) isSelection(a *archive) bool {
	return a.chosen != nil || a.eventTriggersLast() || a.toc.Find(dumparchive.StatisticsData) != nil && !r.takes(dumparchive.StatisticsData)
}

// takes reports whether the server understands entries of a kind at all.
func (r *runner) takes(desc string) bool {
	return desc != dumparchive.StatisticsData || pgtools.TakesStatistics(r.server.Major)
}

// restoreEntries restores those chosen entries of an archive which keep is true of.
func (r *runner) restoreEntries(ctx context.Context, a *archive, info conninfo.Info, what pgtools.Restore, keep func(*dumparchive.Entry) bool) error {
	entries, empty := a.list(func(e *dumparchive.Entry) bool { return keep(e) && r.takes(e.Desc) })
	if empty {
		return nil
	}
	list, err := r.files.Write([]byte(entries))
	if err != nil {
		return err
	}
	defer func() { _ = list.Remove() }()
	what.List = list.Path
	return r.pgRestore(ctx, a, info, what)
}

// restoreIDs restores the entries with the dump IDs, in their order.
func (r *runner) restoreIDs(ctx context.Context, a *archive, info conninfo.Info, what pgtools.Restore, ids []int) error {
	var lines strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&lines, "%d;\n", id)
	}
	list, err := r.files.Write([]byte(lines.String()))
	if err != nil {
		return err
	}
	defer func() { _ = list.Remove() }()
	what.List = list.Path
	return r.pgRestore(ctx, a, info, what)
}

package logical

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/globals"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
)

// restorer restores what an archive holds: whole dumps, and for a partedDump its parts.
type restorer struct {
	runner
	info    conninfo.Info
	cluster description
	globals *globals.Globals // nil before they arrived, and if none are to be restored
	tasks   *scheduler

	libraries libraries // restored in the end

	progress *progress.Reporter
	// unanalyzed are databases that rows came into without statistics.
	unanalyzed nameList
}

// targetAmbiguous reports whether there may yet be more dumps than the one that the
// target database can take.
func (r *restorer) targetAmbiguous() bool {
	return r.info.Database() != "" && len(r.options.Databases) != 1
}

// targetOf is the database that a dump of database goes into.
func (r *restorer) targetOf(database string) string {
	if target := r.info.Database(); target != "" {
		return target
	}
	return database
}

// startProgress reports on the restore of a database until stop is called or ctx ends. What
// counts is how large the database has become, which pg_restore's workers and the building
// of indexes are seen in as well. empty: it has nothing but what will be restored.
func (r *restorer) startProgress(ctx context.Context, source, target string, empty bool) (stop func()) {
	o := progress.Operation{
		Name: fmt.Sprintf("restore of database %q", r.targetOf(source)), Of: "the %s that it took when it was saved",
		Bytes: func(ctx context.Context) (size int64, err error) {
			err = r.server.With(ctx, "", func(conn *pgx.Conn) error {
				return conn.QueryRow(ctx, "SELECT pg_catalog.pg_database_size($1::pg_catalog.name)", target).Scan(&size)
			})
			return size, err
		},
	}
	if empty && !r.options.Restricts() {
		o.Total = r.cluster.size(source)
	}
	return r.progress.Start(ctx, o)
}

// runOrDefer runs a task now or, as long as it may come out that there is more than the
// target database can take, later.
func (r *restorer) runOrDefer(ctx context.Context, t task) error {
	if r.targetAmbiguous() {
		r.tasks.later(t)
		return nil
	}
	return r.tasks.run(ctx, t)
}

// inOrder takes steps one after another, also past an error of one, unless that is one to
// stop at, and returns their errors together.
func (r *restorer) inOrder(ctx context.Context, steps ...func() error) error {
	var errs []error
	for _, step := range steps {
		err := step()
		errs = append(errs, err)
		if err != nil && (r.options.ExitOnError || ctx.Err() != nil) {
			break
		}
	}
	return errors.Join(errs...)
}

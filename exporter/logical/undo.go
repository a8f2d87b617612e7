package logical

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

const (
	// pollTime is how often it is looked whether something has happened.
	pollTime = 50 * time.Millisecond
)

// undo puts the old database back and drops the new one, as far as it got. The
// connection may be gone, and the context with it: it uses one of its own.
func (r *replacement) undo(ctx context.Context) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	if err := r.tryUndo(ctx); err != nil {
		return fmt.Errorf("undoing it: %w\nhint: the next restore with recreate=true drops the databases %q and %q if they are left", err, r.fresh, r.aside)
	}
	return nil
}

func (r *replacement) tryUndo(ctx context.Context) error {
	conn, err := r.e.server.info.Connect(ctx, r.e.server.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := r.quiet(ctx, conn); err != nil {
		return err
	}
	var exchanged, broken bool
	err = conn.QueryRow(ctx, "SELECT pg_catalog.count(*) > 0, coalesce(pg_catalog.bool_or(datconnlimit = $2), false) FROM pg_catalog.pg_database WHERE datname = $1",
		r.aside, invalid).Scan(&exchanged, &broken)
	switch {
	case err != nil:
		return err
	case broken:
		// It was being dropped, and nothing else can be done with it.
		_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(r.aside))
		return err
	case exchanged:
		if err := swap(ctx, conn, r.old.name, r.fresh, r.aside, r.old.connect, r.old.template); err != nil {
			return fmt.Errorf("putting the old database back, which is called %q now: %w", r.aside, err)
		}
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(r.fresh))
	return err
}

// quiet waits until the server has noticed that the session's statement was cancelled,
// whose outcome is not known before.
func (r *replacement) quiet(ctx context.Context, conn *pgx.Conn) error {
	for {
		var busy bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid::text = $1 AND (state = 'active' OR state LIKE 'idle in %'))", r.pid).Scan(&busy)
		if err != nil || !busy {
			return err
		}
		select {
		case <-time.After(pollTime):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// withoutSessions calls rename, which keeps new sessions out of the old database and
// waits for those that are in it. If force is set they are ended meanwhile.
func (r *replacement) withoutSessions(ctx context.Context, rename func() error) error {
	if !r.e.options.Force {
		return rename()
	}
	conn, err := r.e.server.info.Connect(ctx, r.e.server.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.endSessions(ctx, conn) }()
	err = rename()
	stop()
	if why := <-ended; err != nil {
		err = errors.Join(err, why)
	}
	return err
}

// endSessions ends the sessions in the old database again and again. Processes of the
// server itself have no user, and do not stand in the way.
func (r *replacement) endSessions(ctx context.Context, conn *pgx.Conn) error {
	for {
		_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datid = $1 AND usesysid IS NOT NULL", r.old.oid)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if err != nil {
			return fmt.Errorf("ending the sessions that use it: %w", err)
		}
		select {
		case <-time.After(pollTime):
		case <-ctx.Done():
			return nil
		}
	}
}

package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// pollTime is how often it is looked whether something has happened.
const pollTime = 50 * time.Millisecond

// rollBack puts the old database back and drops the new one, as far as it got. The session
// may be gone, and the context with it: it uses one of its own.
func (r *replacement) rollBack(ctx context.Context) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	err := r.server.With(ctx, "", func(conn *pgx.Conn) error {
		if err := r.waitIdle(ctx, conn); err != nil {
			return err
		}
		return r.rollBackOver(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("undoing it: %w\nhint: the next restore with recreate=true drops the databases %q and %q if they are left", err, r.newName, r.oldName)
	}
	return nil
}

func (r *replacement) rollBackOver(ctx context.Context, conn *pgx.Conn) error {
	var exchanged, broken bool
	err := conn.QueryRow(ctx, "SELECT pg_catalog.count(*) > 0, coalesce(pg_catalog.bool_or(datconnlimit = $2), false) FROM pg_catalog.pg_database WHERE datname = $1",
		r.oldName, invalidDatabase).Scan(&exchanged, &broken)
	switch {
	case err != nil:
		return err
	case broken:
		// It was being dropped, and nothing else can be done with it.
		_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(r.oldName))
		return err
	case exchanged:
		if err := swapNames(ctx, conn, r.old.name, r.newName, r.oldName, r.old.connect, r.old.template); err != nil {
			return fmt.Errorf("putting the old database back, which is called %q now: %w", r.oldName, err)
		}
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(r.newName))
	return err
}

// waitIdle waits until the server has noticed that the session's statement was cancelled,
// whose outcome is not known before.
func (r *replacement) waitIdle(ctx context.Context, conn *pgx.Conn) error {
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

// whileTerminating calls rename, which keeps new sessions out of the old database and
// waits for those that are in it. If force is set they are ended meanwhile.
func (r *replacement) whileTerminating(ctx context.Context, rename func() error) error {
	if !r.force {
		return rename()
	}
	return r.server.With(ctx, "", func(conn *pgx.Conn) error {
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- r.terminateSessions(ctx, conn) }()
		err := rename()
		stop()
		if why := <-ended; err != nil {
			err = errors.Join(err, why)
		}
		return err
	})
}

// terminateSessions ends the sessions in the old database again and again. Processes of
// the server itself have no user, and do not stand in the way.
func (r *replacement) terminateSessions(ctx context.Context, conn *pgx.Conn) error {
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

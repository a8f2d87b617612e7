package target

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sessionTimeout is how long sessions that are just ending are waited for, as RENAME does.
// Source: CountOtherDBBackends in src/backend/storage/ipc/procarray.c
const sessionTimeout = 5 * time.Second

// checkSessions looks for sessions in the old database that are not, or cannot be, ended. A process of the
// server itself that stands in the way only until RENAME ends it is none, nor is that of a subscription. Who may not know
// what a session is sees that of another role without its kind.
// Source: pg_stat_get_activity in src/backend/utils/adt/pgstatfuncs.c, pg_signal_backend in src/backend/storage/ipc/signalfuncs.c
func (r *Replacement) checkSessions(ctx context.Context, conn *pgx.Conn) (problems []string, err error) {
	err = patiently(ctx, func() (bool, error) {
		var count, beyond int
		var roles []string
		err := conn.QueryRow(ctx, `
			SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE NOT mine), coalesce(pg_catalog.array_agg(DISTINCT usename::text) FILTER (WHERE NOT mine), '{}')
			FROM (SELECT a.usename, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
					OR NOT coalesce(r.rolsuper, true) AND (pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')) AS mine
				FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
				WHERE a.datid = $1 AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
					AND coalesce(a.backend_type, '') <> 'parallel worker' AND coalesce(a.backend_type, '') !~ '^logical replication') AS session`,
			r.old.oid).Scan(&count, &beyond, &roles)
		problems = nil
		switch {
		case err != nil:
		case beyond > 0:
			problems = []string{fmt.Sprintf("it is being accessed by other users: %s, of which this role may not end those of %s, even with force=true\nhint: end them as a superuser; other roles' sessions may be ended by a member of pg_signal_backend, but not those of superusers", otherSessions(count), quoted(roles))}
		case count > 0 && !r.force:
			problems = []string{fmt.Sprintf("it is being accessed by other users: %s\nhint: end the sessions that use it and restore again, or let force=true end them", otherSessions(count))}
		}
		return problems == nil, err
	})
	return problems, err
}

func otherSessions(count int) string {
	if count == 1 {
		return "1 other session"
	}
	return fmt.Sprintf("%d other sessions", count)
}

// patiently looks until it is as it should be, or has not become so for some seconds.
func patiently(ctx context.Context, look func() (bool, error)) error {
	for begun := time.Now(); ; {
		done, err := look()
		if done || err != nil || time.Since(begun) > sessionTimeout {
			return err
		}
		if err := sleep(ctx, pollTime); err != nil {
			return err
		}
	}
}

// pollTime is how often it is looked whether something has happened.
const pollTime = 50 * time.Millisecond

// sleep waits, unless the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitForDatabases waits until no session creates, renames or drops a database of that name any
// more: the outcome of a statement that was cancelled is not known before.
func waitForDatabases(ctx context.Context, conn *pgx.Conn, name string) error {
	for {
		var busy bool
		err := conn.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos(query, $1) > 0
				AND (state = 'active' OR state LIKE 'idle in %'))`, name).Scan(&busy)
		if err != nil || !busy {
			return err
		}
		if err := sleep(ctx, pollTime); err != nil {
			return err
		}
	}
}

// endSessions ends the sessions in a database. Processes of the server itself have no user, and do
// not stand in the way.
func endSessions(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND usesysid IS NOT NULL", name)
	return err
}

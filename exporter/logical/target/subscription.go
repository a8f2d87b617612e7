package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// unreachable is a connection string that no publisher answers at: there is no such
// directory. A password is what a subscription needs whose owner is no superuser.
const unreachable = "'host=/nonexistent/plakar port=1 dbname=none user=none password=none'"

// DropSubscriptions drops those subscriptions of the database that have one of the names,
// without a word to their publishers. DROP SUBSCRIPTION alone drops the slot at the
// publisher, which may be another subscriber's: a restored subscription has the slot name of
// the one that was saved.
//
// All is done to a subscription, or nothing. Even without a slot, DROP SUBSCRIPTION asks the
// publisher to drop the slots of tables that are in their first copy, and goes on if no
// connection can be made.
// Source: DropSubscription in src/backend/commands/subscriptioncmds.c
func DropSubscriptions(ctx context.Context, s *server.Server, database string, names []string) error {
	return dropSubscriptions(ctx, s, database, names, func(text string) { slog.Warn(text) })
}

// dropSubscriptions is DropSubscriptions that says through tell which slots may be left at the publishers.
func dropSubscriptions(ctx context.Context, s *server.Server, database string, names []string, tell func(string)) error {
	if len(names) == 0 {
		return nil
	}
	return s.With(ctx, database, func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, `
			SELECT subname::text, coalesce(subslotname::text, ''), subenabled, subpublications FROM pg_catalog.pg_subscription
			WHERE subname = ANY ($1) AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`, names)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[subscription])
		if err != nil {
			return fmt.Errorf("looking for subscriptions: %w", err)
		}
		for _, sub := range found {
			if err := sub.drop(ctx, conn, tell); err != nil {
				return fmt.Errorf("dropping subscription %q, of which its publisher shall not hear: %w", sub.Name, err)
			}
		}
		return nil
	})
}

// ofOld lists the subscriptions of the old database; any database knows them.
func (r *Replacement) ofOld(ctx context.Context) (found []subscription, err error) {
	err = r.server.With(ctx, "", func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "SELECT subname::text, coalesce(subslotname::text, ''), subenabled, subpublications FROM pg_catalog.pg_subscription WHERE subdbid = $1", r.old.oid)
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[subscription])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for subscriptions: %w", err)
	}
	return found, nil
}

// endWorkers ends the processes of subscriptions that are disabled: one that makes a table's first copy
// would go on until that is done. If it cannot end them, RENAME finds them.
// Source: maybe_reread_subscription in src/backend/replication/logical/worker.c
func (r *Replacement) endWorkers(ctx context.Context) error {
	return r.server.With(ctx, "", func(conn *pgx.Conn) error {
		return patiently(ctx, func() (bool, error) {
			const workers = "FROM pg_catalog.pg_stat_subscription w JOIN pg_catalog.pg_subscription s ON s.oid = w.subid WHERE s.subdbid = $1 AND w.pid IS NOT NULL"
			_, _ = conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(w.pid) "+workers, r.old.oid)
			var done bool
			err := conn.QueryRow(ctx, "SELECT NOT EXISTS (SELECT "+workers+")", r.old.oid).Scan(&done)
			return done, err
		})
	})
}

func (r *Replacement) switchSubscriptions(ctx context.Context, names []string, action string) error {
	if len(names) == 0 {
		return nil
	}
	return r.server.With(ctx, r.old.name, func(conn *pgx.Conn) error {
		if err := r.checkSame(ctx, conn, "pg_catalog.current_database()"); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := conn.Exec(ctx, "ALTER SUBSCRIPTION "+ident(name)+" "+action); err != nil {
				return fmt.Errorf("subscription %q of the old database: %s: %w", name, action, err)
			}
		}
		return nil
	})
}

// dropAllSubscriptions drops those of the old database, which has lost its name.
func (r *Replacement) dropAllSubscriptions(ctx context.Context) error {
	found, err := r.ofOld(ctx)
	if err != nil || len(found) == 0 {
		return err
	}
	names := make([]string, 0, len(found))
	for _, sub := range found {
		names = append(names, sub.Name)
		r.lost = append(r.lost, sub.again())
	}
	return DropSubscriptions(ctx, r.server, r.away, names)
}

// dropDatabase drops a database under a name of ours, with its subscriptions: as long as there are any, the
// server refuses that. In a new database they are those of the dump, which have not been at work, and whose slots
// are those of the subscriber that was saved: there is nothing to say of them.
// Source: CountDBSubscriptions in dropdb in src/backend/commands/dbcommands.c
func dropDatabase(ctx context.Context, s *server.Server, conn *pgx.Conn, name string) error {
	subscriptions, err := names(ctx, conn, "SELECT subname::text FROM pg_catalog.pg_subscription WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = $1)", name)
	if err != nil {
		return fmt.Errorf("looking for subscriptions: %w", err)
	}
	if len(subscriptions) > 0 {
		var old bool
		err := conn.QueryRow(ctx, "SELECT coalesce(pg_catalog.shobj_description(oid, 'pg_database') ~ '^plakar: replaced', false) FROM pg_catalog.pg_database WHERE datname = $1", name).Scan(&old)
		tell := func(string) {}
		if old {
			tell = func(text string) { slog.Warn(text) }
		}
		if err = errors.Join(err, dropSubscriptions(ctx, s, name, subscriptions, tell)); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(name))
	return err
}

// lostHint says how to make the subscriptions again that the old database has lost, if it has to be put back.
// Where they were in the stream of changes is lost.
func (r *Replacement) lostHint() string {
	if len(r.lost) == 0 {
		return ""
	}
	return "\nhint: the subscriptions of the database were dropped already, as far as they are not there any more; they begin again where their publisher knows them to be, so look for changes that come twice: " + strings.Join(r.lost, "; ") + "; then for each ALTER SUBSCRIPTION ... ENABLE and ALTER SUBSCRIPTION ... REFRESH PUBLICATION WITH (copy_data = false)"
}

// subscription is one that is there.
type subscription struct {
	Name string
	Slot string // at the publisher; "" for none

	Enabled      bool
	Publications []string
}

// again is the statement that makes it again, less its connection string, in which there may be a password.
func (sub subscription) again() string {
	slot, publications := "NONE", make([]string, 0, len(sub.Publications))
	if sub.Slot != "" {
		slot = sqlscript.Literal(sub.Slot)
	}
	for _, name := range sub.Publications {
		publications = append(publications, ident(name))
	}
	return fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '...' PUBLICATION %s WITH (connect = false, slot_name = %s)", ident(sub.Name), strings.Join(publications, ", "), slot)
}

func (sub subscription) drop(ctx context.Context, conn *pgx.Conn, tell func(string)) error {
	// The slots of tables whose first copy has not ended.
	// Source: ReplicationSlotNameForTablesync in src/backend/replication/logical/tablesync.c
	copies, err := names(ctx, conn, `
		SELECT 'pg_' || oid || '_sync_' FROM pg_catalog.pg_subscription s
		WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
			AND EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srsubid = s.oid AND srsubstate NOT IN ('r', 's'))`, sub.Name)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return execAll(ctx, tx,
			"ALTER SUBSCRIPTION "+ident(sub.Name)+" DISABLE",
			"ALTER SUBSCRIPTION "+ident(sub.Name)+" SET (slot_name = NONE)",
			"ALTER SUBSCRIPTION "+ident(sub.Name)+" CONNECTION "+unreachable,
			"DROP SUBSCRIPTION "+ident(sub.Name),
		)
	})
	if err != nil || sub.Slot == "" {
		return err
	}
	text := fmt.Sprintf("subscription %q was dropped without its publisher's knowledge: if the replication slot %q there is nobody else's, drop it there", sub.Name, sub.Slot)
	for _, prefix := range copies {
		text += fmt.Sprintf(", and those that begin with %q: they keep WAL", prefix)
	}
	tell(text)
	return nil
}

package target

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
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
	if len(names) == 0 {
		return nil
	}
	return s.With(ctx, database, func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, `
			SELECT subname::text, coalesce(subslotname::text, ''), subenabled FROM pg_catalog.pg_subscription
			WHERE subname = ANY ($1) AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`, names)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[subscription])
		if err != nil {
			return fmt.Errorf("looking for subscriptions: %w", err)
		}
		for _, sub := range found {
			if err := sub.drop(ctx, conn); err != nil {
				return fmt.Errorf("dropping subscription %q, of which its publisher shall not hear: %w", sub.Name, err)
			}
		}
		return nil
	})
}

// ofOld lists the subscriptions of the old database; any database knows them.
func (r *Replacement) ofOld(ctx context.Context) (found []subscription, err error) {
	err = r.server.With(ctx, "", func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "SELECT subname::text, coalesce(subslotname::text, ''), subenabled FROM pg_catalog.pg_subscription WHERE subdbid = $1", r.old.oid)
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[subscription])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for subscriptions: %w", err)
	}
	return found, nil
}

// disableSubscriptions keeps the workers of subscriptions out of the old database, which could not be
// renamed otherwise.
func (r *Replacement) disableSubscriptions(ctx context.Context) error {
	found, err := r.ofOld(ctx)
	if err != nil {
		return err
	}
	for _, sub := range found {
		if sub.Enabled {
			r.disabled = append(r.disabled, sub.Name)
		}
	}
	return r.switchSubscriptions(ctx, r.disabled, "DISABLE")
}

// enableSubscriptions undoes disableSubscriptions, when the old database has its name. The context may
// have ended.
func (r *Replacement) enableSubscriptions(ctx context.Context) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	return r.switchSubscriptions(ctx, r.disabled, "ENABLE")
}

func (r *Replacement) switchSubscriptions(ctx context.Context, names []string, action string) error {
	if len(names) == 0 {
		return nil
	}
	return r.server.With(ctx, r.old.name, func(conn *pgx.Conn) error {
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
	}
	return DropSubscriptions(ctx, r.server, r.away, names)
}

// subscription is one that is there.
type subscription struct {
	Name string
	Slot string // at the publisher; "" for none

	Enabled bool
}

func (sub subscription) drop(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"ALTER SUBSCRIPTION " + ident(sub.Name) + " DISABLE",
			"ALTER SUBSCRIPTION " + ident(sub.Name) + " SET (slot_name = NONE)",
			"ALTER SUBSCRIPTION " + ident(sub.Name) + " CONNECTION " + unreachable,
			"DROP SUBSCRIPTION " + ident(sub.Name),
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && sub.Slot != "" {
		slog.Warn(fmt.Sprintf("subscription %q was dropped without its publisher's knowledge: if the replication slot %q there is nobody else's, drop it there", sub.Name, sub.Slot))
	}
	return err
}

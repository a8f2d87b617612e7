package target

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
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
			SELECT subname::text, coalesce(subslotname::text, '') FROM pg_catalog.pg_subscription
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

// subscription is one that is there.
type subscription struct {
	Name string
	Slot string // at the publisher; "" for none
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

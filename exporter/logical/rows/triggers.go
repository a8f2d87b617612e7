package rows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Frame is what has to be run around the loading of a table, in the same transaction, so
// that none of its triggers fires and all are afterwards as they were. It locks the table:
// nobody else writes to it without them.
type Frame struct {
	Before string
	After  string
}

// trigger is one that would fire.
type trigger struct {
	n        int
	Relation string // quoted
	Name     string // quoted
	Enabled  string // pg_trigger.tgenabled
	Owned    bool
}

// Frames are those that the tables need, by their place in tables. With replica the rows
// are loaded with session_replication_role=replica, in which only triggers that were made
// to fire there do; else those of foreign keys are left to fire.
//
// Rules do not count: COPY invokes none.
// Source: https://www.postgresql.org/docs/18/sql-copy.html
func Frames(ctx context.Context, conn *pgx.Conn, tables []Table, replica bool) (map[int]Frame, error) {
	rows, err := ask(ctx, conn, tables, `
		SELECT f.n, pg_catalog.format('%I.%I', s.nspname, c.relname), pg_catalog.quote_ident(t.tgname), t.tgenabled::text, pg_catalog.pg_has_role(c.relowner, 'USAGE')
		FROM family f JOIN pg_catalog.pg_trigger t ON t.tgrelid = f.oid
		JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
		WHERE CASE WHEN $3::bool THEN t.tgenabled IN ('A', 'R') ELSE t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal END
		ORDER BY f.n, f.depth, c.oid, t.tgname`, replica)
	if err != nil {
		return nil, err
	}
	var found []trigger
	var t trigger
	_, err = pgx.ForEachRow(rows, []any{&t.n, &t.Relation, &t.Name, &t.Enabled, &t.Owned}, func() error {
		found = append(found, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for triggers: %w", err)
	}
	return framesOf(found)
}

func framesOf(found []trigger) (map[int]Frame, error) {
	frames := map[int]Frame{}
	var errs []error
	for _, t := range found {
		if !t.Owned {
			errs = append(errs, fmt.Errorf("trigger %s of %s would change what is restored, and only the table's owner can keep it from that: nothing was restored\nhint: restore as the owner or a superuser", t.Name, t.Relation))
			continue
		}
		f := frames[t.n-1]
		f.Before += "ALTER TABLE ONLY " + t.Relation + " DISABLE TRIGGER " + t.Name + ";\n"
		// A partition after the table that it is of, which older servers change with it.
		f.After += "ALTER TABLE ONLY " + t.Relation + " " + enabled[t.Enabled] + " TRIGGER " + t.Name + ";\n"
		frames[t.n-1] = f
	}
	return frames, errors.Join(errs...)
}

// enabled is how a trigger comes to its state.
// Source: https://www.postgresql.org/docs/18/catalog-pg-trigger.html
var enabled = map[string]string{"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}

// Join puts frames into each other, for tables that are loaded in one transaction.
func Join(frames ...Frame) Frame {
	var before, after strings.Builder
	for _, f := range frames {
		before.WriteString(f.Before)
		after.WriteString(f.After)
	}
	return Frame{Before: before.String(), After: after.String()}
}

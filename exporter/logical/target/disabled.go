package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Subscriptions of the old database are disabled before the exchange, which commits: who is killed in that moment
// cannot enable them again. So their names are kept behind the mark of the new database, from before
// they are disabled until they are enabled, and the next restore that replaces the same database does it.
// It is all in the bytes of the server, through connections that convert nothing.

// markPattern is a mark, with the names.
var markPattern = regexp.MustCompile(`(?s)^(plakar: [a-z]+, for database OID \d+: "(?:[^"]|"")*")(?:; disabled subscriptions: (.*))?$`)

// markedName is one of the names.
var markedName = regexp.MustCompile(`(?s)"((?:[^"]|"")*)"`)

// splitMark returns a mark without names, "" for what is none, and the names.
func splitMark(comment string) (bare string, disabled []string) {
	parts := markPattern.FindStringSubmatch(comment)
	if parts == nil {
		return "", nil
	}
	for _, name := range markedName.FindAllStringSubmatch(parts[2], -1) {
		disabled = append(disabled, strings.ReplaceAll(name[1], `""`, `"`))
	}
	return parts[1], disabled
}

// joinMark is a mark with the names, if there are any.
func joinMark(bare string, disabled []string) string {
	if len(disabled) == 0 {
		return bare
	}
	idents := make([]string, 0, len(disabled))
	for _, name := range disabled {
		idents = append(idents, ident(name))
	}
	return bare + "; disabled subscriptions: " + strings.Join(idents, ", ")
}

// noteDisabled writes the names behind the mark of the database, in place of those that are there. A database that
// is not there, or has a comment of somebody else's, is left alone.
func noteDisabled(ctx context.Context, conn *pgx.Conn, database string, disabled []string) error {
	var comment string
	err := conn.QueryRow(ctx, "SELECT coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') FROM pg_catalog.pg_database WHERE datname = $1", database).Scan(&comment)
	bare, before := splitMark(comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err == nil && bare != "" && !slices.Equal(before, disabled):
		_, err = conn.Exec(ctx, "COMMENT ON DATABASE "+ident(database)+" IS "+sqlscript.Literal(joinMark(bare, disabled)))
	}
	if err != nil {
		return fmt.Errorf("noting which subscriptions are disabled: %w", err)
	}
	return nil
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
	if len(r.disabled) == 0 {
		return nil
	}
	err = r.server.With(ctx, "", func(conn *pgx.Conn) error { return noteDisabled(ctx, conn, r.name, r.disabled) })
	if err == nil {
		err = r.switchSubscriptions(ctx, r.disabled, "DISABLE")
	}
	if err != nil {
		return err
	}
	return r.endWorkers(ctx)
}

// enableSubscriptions undoes disableSubscriptions, when the old database has its name, as far as they are there. The
// context may have ended.
func (r *Replacement) enableSubscriptions(ctx context.Context) error {
	if len(r.disabled) == 0 {
		return nil
	}
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	found, err := r.ofOld(ctx)
	if err == nil {
		var names []string
		for _, sub := range found {
			if slices.Contains(r.disabled, sub.Name) {
				names = append(names, sub.Name)
			}
		}
		err = r.switchSubscriptions(ctx, names, "ENABLE")
	}
	if err != nil {
		return fmt.Errorf("enabling the subscriptions of the old database again: %w", err)
	}
	r.disabled = nil
	return r.server.With(ctx, "", func(conn *pgx.Conn) error { return noteDisabled(ctx, conn, r.name, nil) })
}

// disabledHint says which subscriptions of the old database may be disabled although it has its name.
func (r *Replacement) disabledHint() string {
	if len(r.disabled) == 0 {
		return ""
	}
	return fmt.Sprintf("\nhint: subscriptions of the old one were disabled for the exchange, and may still be: %s; if it keeps its place, ALTER SUBSCRIPTION ... ENABLE each of them in it, which the next restore with recreate does as well", quoted(r.disabled))
}

// enableLeft enables the subscriptions of the old database that a restore which was killed has left disabled. It
// needs the lock: what another restore is at work on stays.
func (r *Replacement) enableLeft(ctx context.Context) error {
	return r.server.With(ctx, "", func(conn *pgx.Conn) error {
		left, err := names(ctx, conn, `
			SELECT datname FROM pg_catalog.pg_database d
			WHERE datname ~ '^plakar_restore_[A-Z2-7]{26}$' AND pg_catalog.shobj_description(oid, 'pg_database') ~ ('^plakar: [a-z]+, for database OID ' || $1 || ': .*; disabled subscriptions: ')
				AND NOT EXISTS `+strings.ReplaceAll(lockHolders+lockKey, "$1", "datname")+")", fmt.Sprint(r.old.oid))
		for _, database := range left {
			err = errors.Join(err, r.enableLeftBy(ctx, conn, database))
		}
		return err
	})
}

// enableLeftBy enables those that are named behind the mark of a database. Its owner has to be somebody who could
// have disabled them: comments are anybody's. Who has taken the slot from one does not want it at work.
func (r *Replacement) enableLeftBy(ctx context.Context, conn *pgx.Conn, database string) error {
	var comment string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = $1", database).Scan(&comment); err != nil {
		return err
	}
	_, noted := splitMark(comment)
	disabled, err := names(ctx, conn, `
		SELECT subname::text FROM pg_catalog.pg_subscription, pg_catalog.pg_database
		WHERE datname = $1 AND subdbid = $2 AND subname = ANY ($3) AND NOT subenabled AND subslotname IS NOT NULL AND pg_catalog.pg_has_role(datdba, subowner, 'USAGE')
		ORDER BY 1`, database, r.old.oid, noted)
	if err == nil {
		err = r.switchSubscriptions(ctx, disabled, "ENABLE")
	}
	if err != nil {
		return fmt.Errorf("subscriptions of database %q that an earlier restore has left disabled (%s): %w", r.old.name, quoted(noted), err)
	}
	if len(disabled) > 0 {
		slog.Warn(fmt.Sprintf("database %q: an earlier restore was interrupted when it had disabled subscriptions of it: %s; they were enabled again", r.old.name, quoted(disabled)))
	}
	return noteDisabled(ctx, conn, database, nil)
}

package logical

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// objectInUse is the SQLSTATE of what cannot be done to a database while others are
// connected to it.
// Source: https://www.postgresql.org/docs/18/errcodes-appendix.html
const objectInUse = "55006"

// invalid is the connection limit of a database whose DROP was interrupted: it can only
// be dropped.
// Source: DATCONNLIMIT_INVALID_DB in src/include/catalog/pg_database.h
const invalid = -2

// oldDatabase is the database that is replaced.
type oldDatabase struct {
	name     string
	oid      uint32
	connect  bool // datallowconn
	template bool // datistemplate
	limit    int  // datconnlimit
}

// replacement puts a new database in the place of an old one, in an order that loses
// nothing: the new one is created under a name of ours; one transaction exchanges the
// names, which waits for sessions in the old one and keeps new ones out; the old one is
// dropped. Whatever fails or ends before that transaction leaves the old one untouched.
//
// Under a name of ours nobody may connect, which is how the next run tells what is left
// behind from a user's database.
type replacement struct {
	e     *Exporter
	conn  *pgx.Conn
	pid   string // of conn's session
	old   oldDatabase
	fresh string // name of the new one before it has its own
	aside string // name of the old one after it has lost its own
}

// replaceDatabase creates a database with p's statement in the place of the one that is
// called target.
func (e *Exporter) replaceDatabase(ctx context.Context, conn *pgx.Conn, source, target string, p properties) error {
	r := replacement{e: e, conn: conn, old: oldDatabase{name: target}}
	err := conn.QueryRow(ctx, `
		SELECT pg_catalog.pg_backend_pid()::text, oid, datallowconn, datistemplate, datconnlimit
		FROM pg_catalog.pg_database WHERE datname = $1`, target,
	).Scan(&r.pid, &r.old.oid, &r.old.connect, &r.old.template, &r.old.limit)
	if err != nil {
		return fmt.Errorf("recreate: %w", err)
	}
	r.fresh, r.aside = r.ownName(), r.ownName()
	create, ok := retarget(p.create, target, r.fresh)
	if !ok {
		return fmt.Errorf("the dump does not say how database %q was created", source)
	}
	r.sweep(ctx)
	if r.old.limit == invalid {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+ident(target)); err != nil {
			return fmt.Errorf("recreate: %w", err)
		}
		_, err := conn.Exec(ctx, p.create)
		return err
	}
	if _, err := conn.Exec(ctx, strings.TrimSuffix(create, ";")+" ALLOW_CONNECTIONS = false"); err != nil {
		return errors.Join(fmt.Errorf("creating it anew, the one that is there was left as it is: %w", err), r.undo(ctx))
	}
	if err := r.exchange(ctx); err != nil {
		return errors.Join(fmt.Errorf("recreate: %w", err), r.undo(ctx))
	}
	// This is not cancelled: half a database would be left. What the server has been told
	// it does, even when we are gone.
	if _, err := conn.Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+ident(r.aside)); err != nil {
		return errors.Join(fmt.Errorf("recreate: %w", err), r.undo(ctx))
	}
	return nil
}

// ownName makes a name of ours, with the process ID of the session that made it.
func (r *replacement) ownName() string { return "plakar_restore_" + r.pid + "_" + rand.Text() }

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// sweep drops what runs left behind that could not undo what they had begun. What a
// session may still be at work on stays, and so does what this user could not drop.
func (r *replacement) sweep(ctx context.Context) {
	rows, _ := r.conn.Query(ctx, `
		SELECT datname FROM pg_catalog.pg_database
		WHERE datname ~ '^plakar_restore_[0-9]+_[A-Z2-7]{26}$' AND NOT datallowconn AND pg_catalog.pg_has_role(datdba, 'USAGE')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid::text = pg_catalog.split_part(datname, '_', 3))`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		_, dropErr := r.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(name))
		err = errors.Join(err, dropErr)
	}
	if err != nil {
		slog.Warn("dropping what an earlier restore left behind: " + err.Error())
	}
}

// exchange gives the new database the name of the old one. It fails while others are
// connected to the old one, unless force ends their sessions.
func (r *replacement) exchange(ctx context.Context) error {
	err := r.withoutSessions(ctx, func() error {
		return swap(ctx, r.conn, r.old.name, r.aside, r.fresh, true, false)
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == objectInUse {
		err = fmt.Errorf("%w: %s\nhint: it was left as it is; end the sessions that use it and restore again, or let force=true end them", err, pgErr.Detail)
	}
	return err
}

// swap renames the database away and gives its name to another one, all or nothing.
// Renaming waits up to 5 s for sessions to end.
// Source: CountOtherDBBackends in src/backend/storage/ipc/procarray.c
func swap(ctx context.Context, conn *pgx.Conn, name, away, successor string, connect, template bool) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"ALTER DATABASE " + ident(name) + " RENAME TO " + ident(away),
			"ALTER DATABASE " + ident(successor) + " RENAME TO " + ident(name),
			"ALTER DATABASE " + ident(away) + " ALLOW_CONNECTIONS false IS_TEMPLATE false",
			fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t IS_TEMPLATE %t", ident(name), connect, template),
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
)

// invalidDatabase is the connection limit of a database whose DROP was interrupted: it can
// only be dropped.
// Source: DATCONNLIMIT_INVALID_DB in src/include/catalog/pg_database.h
const invalidDatabase = -2

// oldDatabase is the database that is replaced.
type oldDatabase struct {
	name     string // in the bytes that the server has it in
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
	server     *server.Server
	session    *server.Session
	properties *Properties
	force      bool   // ends the sessions in the old database
	pid        string // of the session
	name       string // of the database, as statements of the session write it
	old        oldDatabase
	newName    string // of the new one before it has its own
	oldName    string // of the old one after it has lost its own
}

// replaceDatabase creates a database with the properties in the place of the one that is
// called name.
func replaceDatabase(ctx context.Context, s *server.Server, name string, p *Properties, force bool) error {
	return s.WithSession(ctx, &p.script, func(session *server.Session) error {
		r := replacement{server: s, session: session, properties: p, force: force, old: oldDatabase{name: name}}
		return r.run(ctx)
	})
}

func (r *replacement) run(ctx context.Context) error {
	conn := r.session.Conn()
	var err error
	if r.name, err = r.session.Name(ctx, r.old.name); err != nil {
		return fmt.Errorf("recreate: %w", err)
	}
	err = conn.QueryRow(ctx, `
		SELECT pg_catalog.pg_backend_pid()::text, oid, datallowconn, datistemplate, datconnlimit
		FROM pg_catalog.pg_database WHERE datname = $1`, r.name,
	).Scan(&r.pid, &r.old.oid, &r.old.connect, &r.old.template, &r.old.limit)
	if err != nil {
		return fmt.Errorf("recreate: %w", err)
	}
	r.newName, r.oldName = r.ownName(), r.ownName()
	r.dropLeftovers(ctx)
	if r.old.limit == invalidDatabase {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+ident(r.name)); err != nil {
			return fmt.Errorf("recreate: %w", err)
		}
		return r.session.Run(ctx, r.properties.create.ForDatabase(ident(r.name)))
	}
	create := r.properties.create.ForDatabase(ident(r.newName))
	create.SQL += " ALLOW_CONNECTIONS = false"
	if err := r.session.Run(ctx, create); err != nil {
		return errors.Join(fmt.Errorf("creating it anew, the one that is there was left as it is: %w", err), r.rollBack(ctx))
	}
	if err := r.exchange(ctx); err != nil {
		return errors.Join(fmt.Errorf("recreate: %w", err), r.rollBack(ctx))
	}
	// This is not cancelled: half a database would be left. What the server has been told
	// it does, even when we are gone.
	if _, err := conn.Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+ident(r.oldName)); err != nil {
		return errors.Join(fmt.Errorf("recreate: %w", err), r.rollBack(ctx))
	}
	return nil
}

// ownName makes a name of ours, with the process ID of the session that made it.
func (r *replacement) ownName() string { return "plakar_restore_" + r.pid + "_" + rand.Text() }

// dropLeftovers drops what runs left behind that could not undo what they had begun. What
// a session may still be at work on stays, and so does what this user could not drop.
func (r *replacement) dropLeftovers(ctx context.Context) {
	names, err := r.session.Names(ctx, `
		SELECT datname FROM pg_catalog.pg_database
		WHERE datname ~ '^plakar_restore_[0-9]+_[A-Z2-7]{26}$' AND NOT datallowconn AND pg_catalog.pg_has_role(datdba, 'USAGE')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid::text = pg_catalog.split_part(datname, '_', 3))`)
	for _, name := range names {
		_, dropErr := r.session.Conn().Exec(ctx, "DROP DATABASE IF EXISTS "+ident(name))
		err = errors.Join(err, dropErr)
	}
	if err != nil {
		slog.Warn("dropping what an earlier restore left behind: " + err.Error())
	}
}

// exchange gives the new database the name of the old one. It fails while others are
// connected to the old one, unless force ends their sessions.
func (r *replacement) exchange(ctx context.Context) error {
	err := r.whileTerminating(ctx, func() error {
		return swapNames(ctx, r.session.Conn(), r.name, r.oldName, r.newName, true, false)
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.ObjectInUse {
		err = fmt.Errorf("%w: %s\nhint: it was left as it is; end the sessions that use it and restore again, or let force=true end them", err, pgErr.Detail)
	}
	return err
}

// swapNames renames the database away and gives its name to another one, all or nothing.
// Renaming waits up to 5 s for sessions to end.
// Source: CountOtherDBBackends in src/backend/storage/ipc/procarray.c
func swapNames(ctx context.Context, conn *pgx.Conn, name, away, successor string, connect, template bool) error {
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

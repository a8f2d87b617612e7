package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// invalidDatabase is the connection limit of a database whose DROP was interrupted: it can
// only be dropped.
// Source: DATCONNLIMIT_INVALID_DB in src/include/catalog/pg_database.h
const invalidDatabase = -2

// ownPrefix begins the names of new databases until they have their own. Rules in pg_hba.conf and
// of poolers may name it.
const ownPrefix = "plakar_restore_"

// oldDatabase is the database that is replaced.
type oldDatabase struct {
	name     string // in the bytes that the server has it in
	oid      uint32
	connect  bool // datallowconn
	template bool // datistemplate
	limit    int  // datconnlimit
	comment  *string
}

// Replacement is a new database that is to take the place of an old one, in an order that
// loses nothing: it is created under a name of ours, and restored; when it is complete, one
// transaction exchanges the names, and the old one is dropped. Whatever fails or ends before
// that transaction leaves the old one in place.
//
// A comment (see mark) says what a database under a name of ours is. A lock tells
// whether a restore is at work on it.
type Replacement struct {
	server     *server.Server
	properties *Properties
	keep       bool   // the old database is not dropped
	force      bool   // ends the sessions in the old database
	name       string // of the new one before it has its own; ASCII
	away       string // of the old one after it has lost its own, as statements of the session write it
	old        oldDatabase
	creates    bool      // this role may create databases
	disabled   []string  // subscriptions of the old one, by us
	lost       []string  // how to make the subscriptions of the old one again, that were dropped
	exchanged  bool      // the new one has its name already
	lock       *pgx.Conn // holds the lock; nil when it is over
}

// Pending reports whether the new database has yet to take the place of the old one.
func (r *Replacement) Pending() bool { return r != nil && !r.exchanged }

// beginReplacement creates a database with the properties beside the old one. It returns nil if
// there was nothing left to replace: the old one could only be dropped.
func beginReplacement(ctx context.Context, s *server.Server, o *options.Export, d *Database, dump *Dump) (*Replacement, error) {
	r := &Replacement{
		server: s, properties: &d.Properties, force: o.Force, keep: o.Recreate == options.RecreateKeep,
		name: ownPrefix + rand.Text(), old: oldDatabase{name: d.Name},
	}
	err := s.WithSession(ctx, &d.Properties.script, func(session *server.Session) error {
		name, err := r.findOld(ctx, session)
		if err != nil {
			return fmt.Errorf("recreate: %w", err)
		}
		if r.old.limit == invalidDatabase {
			r.old.oid = 0
			if _, err := session.Conn().Exec(ctx, "DROP DATABASE "+ident(name)); err != nil {
				return fmt.Errorf("recreate: %w", err)
			}
			return session.Run(ctx, d.Properties.create.ForDatabase(ident(name)))
		}
		r.away = ownPrefix + "old_" + strings.TrimPrefix(r.name, ownPrefix)
		if r.keep {
			r.away = beforeName(name)
		}
		var found []string
		if err = r.acquire(ctx); err == nil {
			if err := r.enableLeft(ctx); err != nil {
				slog.Warn(err.Error())
			}
			found, err = r.check(ctx, session, o, dump)
		}
		if err == nil {
			err = r.prove(ctx, session, name, found)
		}
		if err != nil {
			return fmt.Errorf("recreate: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, r.release(ctx))
	}
	if r.old.oid == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	if o.Recreate != options.RecreateFirst {
		r.sayRoom(dump.Size)
	}
	return r, nil
}

// findOld reads what there is to be known of the old database, and returns its name as
// statements of the session write it.
func (r *Replacement) findOld(ctx context.Context, session *server.Session) (string, error) {
	name, err := session.Name(ctx, r.old.name)
	if err != nil {
		return "", err
	}
	return name, session.Conn().QueryRow(ctx, `
		SELECT oid, datallowconn, datistemplate, datconnlimit, pg_catalog.shobj_description(oid, 'pg_database')
		FROM pg_catalog.pg_database WHERE datname = $1`, name).
		Scan(&r.old.oid, &r.old.connect, &r.old.template, &r.old.limit, &r.old.comment)
}

// prove creates the new database, which tells what could not be asked for: whether the server
// has the locale. With what was found before it is all in one error, and the new database is
// dropped again: nothing has been done to the old one yet.
func (r *Replacement) prove(ctx context.Context, session *server.Session, oldName string, found []string) error {
	var errs []error
	for _, problem := range found {
		errs = append(errs, errors.New(problem))
	}
	if r.creates {
		failures := []error{r.create(ctx, session, oldName)}
		if failures[0] == nil {
			failures = r.rehearse(ctx, session)
		}
		for _, err := range failures {
			// A role or tablespace that the server lacks was found before.
			if len(found) == 0 || server.Code(err) != pgerrcode.UndefinedObject {
				errs = append(errs, fmt.Errorf("creating it anew: %w", err))
			}
		}
		if len(errs) > 0 {
			errs = append(errs, r.drop(ctx))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\nthe database was left as it is", err)
	}
	return nil
}

// create creates the new database, with its mark. As long as that is not there, nobody may
// connect to it, which is how it is told from a user's.
func (r *Replacement) create(ctx context.Context, session *server.Session, oldName string) error {
	create := r.properties.create.ForDatabase(ident(r.name))
	create.SQL += " ALLOW_CONNECTIONS = false"
	if err := session.Run(ctx, create); err != nil {
		return createHint(err)
	}
	err := mark(ctx, session.Conn(), r.name, incomplete, r.old.oid, oldName)
	if err == nil {
		_, err = session.Conn().Exec(ctx, "ALTER DATABASE "+ident(r.name)+" ALLOW_CONNECTIONS true")
	}
	return err
}

// rehearse runs what the exchange will run on the new database, and takes it back: that its owner
// may not be given to it should not be found out when all is loaded.
func (r *Replacement) rehearse(ctx context.Context, session *server.Session) (failures []error) {
	tx, err := session.Conn().Begin(ctx)
	if err != nil {
		return []error{err}
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, statement := range r.properties.rest {
		err := pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { return session.Run(ctx, statement.ForDatabase(ident(r.name))) })
		if err != nil {
			failures = append(failures, restHint(err))
		}
		if ctx.Err() != nil || session.Lost() {
			break
		}
	}
	return failures
}

// sayRoom says what is needed on the server's disk: SQL cannot ask for what is free.
func (r *Replacement) sayRoom(size int64) {
	text := fmt.Sprintf("database %q is restored beside the one that is there, as %q: the server needs room for both until then", r.old.name, r.name)
	if size > 0 {
		text += fmt.Sprintf(" (the saved one took %s)", humanize.IBytes(uint64(size)))
	}
	slog.Info(text)
}

// drop drops the new database, which may not be there. The context may have ended.
func (r *Replacement) drop(ctx context.Context) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	err := r.server.With(ctx, "", func(conn *pgx.Conn) error {
		if err := waitForDatabases(ctx, conn, r.name); err != nil {
			return err
		}
		if err := endSessions(ctx, conn, r.name); err != nil {
			return err
		}
		return dropDatabase(ctx, r.server, conn, r.name)
	})
	if err != nil {
		return fmt.Errorf("dropping the new database: %w\nhint: DROP DATABASE %s if it is left", err, ident(r.name))
	}
	return nil
}

// state is what a database under a name of ours is.
type state string

const (
	incomplete state = "incomplete" // being restored, or what is left of that
	complete   state = "complete"   // restored; only the exchange failed
	replaced   state = "replaced"   // the old one, after the exchange
)

// mark makes the comment that says what the database is: its state, and the OID and name of
// the one that it is to replace or, with the state replaced, that has replaced it. More may follow: see noteDisabled.
func mark(ctx context.Context, conn *pgx.Conn, name string, s state, oid uint32, of string) error {
	text := fmt.Sprintf("plakar: %s, for database OID %d: %s", s, oid, ident(of))
	_, err := conn.Exec(ctx, "COMMENT ON DATABASE "+ident(name)+" IS "+sqlscript.Literal(text))
	return err
}

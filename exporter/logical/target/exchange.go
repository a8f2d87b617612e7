package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Complete lets the new database, in which everything is, take the place of the old one. With an error the
// old one is in its place, unless the error says otherwise; the new one stays.
func (r *Replacement) Complete(ctx context.Context) error {
	defer func() { _ = r.release(ctx) }()
	return r.server.WithSession(ctx, &r.properties.script, func(session *server.Session) error {
		if r.exchanged {
			r.sweep(ctx, session)
			return nil
		}
		name, err := session.Name(ctx, r.old.name)
		if err == nil {
			err = mark(ctx, session.Conn(), r.name, complete, r.old.oid, name)
		}
		if err != nil {
			return fmt.Errorf("recreate: %w%s", err, r.byHand(name, "complete"))
		}
		if err = r.disableSubscriptions(ctx); err == nil {
			err = r.exchange(ctx, session, name, true)
		}
		if err != nil {
			return fmt.Errorf("recreate: %w", r.exchangeFailed(ctx, name, err))
		}
		if err := r.dropOld(ctx, session, name); err != nil {
			return err
		}
		r.sweep(ctx, session)
		return nil
	})
}

// First is Complete for a new database that nothing has been restored into yet: the old one is
// dropped before. If it cannot be, it is put back. Complete then only drops what earlier restores left.
func (r *Replacement) First(ctx context.Context) error {
	defer func() { _ = r.release(ctx) }()
	return r.server.WithSession(ctx, &r.properties.script, func(session *server.Session) error {
		name, err := session.Name(ctx, r.old.name)
		if err != nil {
			return fmt.Errorf("recreate: %w", err)
		}
		if err = r.disableSubscriptions(ctx); err == nil {
			err = r.exchange(ctx, session, name, false)
		}
		if err == nil {
			if err = r.dropOld(ctx, session, name); err == nil {
				r.exchanged = true
				return nil
			}
		}
		err = fmt.Errorf("recreate: %w%s", withSessions(err), r.lostHint())
		if putBack := r.putBack(ctx, name); putBack != nil {
			// The mark of the new one has the subscriptions that may be disabled.
			return errors.Join(err, putBack)
		}
		return errors.Join(err, r.drop(ctx))
	})
}

// exchange renames the old database away and gives its name to the new one, with what else belongs
// to that, all or nothing. With rest, everything that the snapshot says of the database itself comes
// with it; otherwise it follows later.
func (r *Replacement) exchange(ctx context.Context, session *server.Session, name string, rest bool) error {
	statements := []string{
		"ALTER DATABASE " + ident(r.name) + " RENAME TO " + ident(name),
		"COMMENT ON DATABASE " + ident(name) + " IS NULL",
	}
	if !r.keep {
		statements = append(statements, "ALTER DATABASE "+ident(r.away)+" IS_TEMPLATE false")
	}
	return r.whileTerminating(ctx, func() error {
		return pgx.BeginFunc(ctx, session.Conn(), func(tx pgx.Tx) error {
			if err := execAll(ctx, tx, "ALTER DATABASE "+ident(name)+" RENAME TO "+ident(r.away)); err != nil {
				return err
			}
			if err := r.checkSame(ctx, tx, sqlscript.Literal(r.away)); err != nil {
				return err
			}
			if err := execAll(ctx, tx, statements...); err != nil {
				return err
			}
			if rest {
				for _, statement := range r.properties.rest {
					if err := session.Run(ctx, statement.ForDatabase(ident(name))); err != nil {
						return err
					}
				}
			}
			if r.keep {
				return nil
			}
			var oid uint32
			if err := tx.QueryRow(ctx, "SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", name).Scan(&oid); err != nil {
				return err
			}
			return mark(ctx, session.Conn(), r.away, replaced, oid, name)
		})
	})
}

func execAll(ctx context.Context, tx pgx.Tx, statements ...string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// checkSame makes sure that the database that has the name, an expression, is the one that was looked at in the
// beginning: meanwhile somebody may have given its name to another one.
func (r *Replacement) checkSame(ctx context.Context, conn querier, name string) error {
	var same bool
	if err := conn.QueryRow(ctx, "SELECT oid = $1 FROM pg_catalog.pg_database WHERE datname = "+name, r.old.oid).Scan(&same); err != nil {
		return err
	}
	if !same {
		return errors.New("the database of that name is another one than when the restore began: it was renamed or replaced meanwhile")
	}
	return nil
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// exchangeFailed says what there is when the exchange failed. Whether it did is looked up: the answer
// may have been lost.
func (r *Replacement) exchangeFailed(ctx context.Context, name string, err error) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	exchanged := false
	unknown := r.server.With(ctx, "", func(conn *pgx.Conn) error {
		if err := waitForDatabases(ctx, conn, r.name); err != nil {
			return err
		}
		return conn.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", r.name).Scan(&exchanged)
	})
	switch {
	case unknown != nil:
		return fmt.Errorf("the new database is complete, but whether it has taken the old one's place is not known: %w%s", errors.Join(withSessions(err), unknown), r.byHand(name, "complete"))
	case exchanged: // its subscriptions stay disabled: those of that name may be the new one's
		return fmt.Errorf("the new database has taken the place of the old one, which is called %q now and was not dropped: %w", r.away, err)
	}
	enabling := r.enableSubscriptions(ctx)
	return errors.Join(
		fmt.Errorf("the new database is complete, but could not take the place of the old one, which was left as it is: %w%s", withSessions(err), r.byHand(name, "complete")),
		enabling)
}

// withSessions explains an error because of sessions in the old database.
func withSessions(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.ObjectInUse {
		return fmt.Errorf("%w: %s\nhint: end the sessions that use it, or let force=true end them", err, pgErr.Detail)
	}
	return err
}

// byHand is the hint with the statements that exchange the two databases.
func (r *Replacement) byHand(name, what string) string {
	sql := []string{
		"ALTER DATABASE " + ident(name) + " RENAME TO " + ident(beforeName(name)),
		"ALTER DATABASE " + ident(r.name) + " RENAME TO " + ident(name),
		"COMMENT ON DATABASE " + ident(name) + " IS NULL",
	}
	for _, statement := range slices.Concat(r.properties.rest, r.properties.libraries) {
		sql = append(sql, strings.TrimSuffix(strings.TrimSpace(statement.ForDatabase(ident(name)).SQL), ";"))
	}
	return fmt.Sprintf("\nhint: the new one, which is %s, is called %q; to exchange them by hand: %s;%s", what, r.name, strings.Join(sql, "; "), r.disabledHint())
}

// dropOld drops the old database, unless it is kept.
func (r *Replacement) dropOld(ctx context.Context, session *server.Session, name string) error {
	if r.keep {
		r.sayKept(ctx, session, name)
		return nil
	}
	err := r.dropAllSubscriptions(ctx)
	if err == nil {
		err = r.whileTerminating(ctx, func() error {
			// It is not cancelled: half a database would be left.
			_, err := session.Conn().Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+ident(r.away))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("recreate: the new database is in place, but the old one, which is called %q now, could not be dropped: %w", r.away, err)
	}
	return nil
}

// putBack undoes the exchange, if it was made.
func (r *Replacement) putBack(ctx context.Context, name string) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	return r.server.WithSession(ctx, &r.properties.script, func(session *server.Session) error {
		conn := session.Conn()
		if err := waitForDatabases(ctx, conn, r.name); err != nil {
			return err
		}
		var exchanged bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", r.away).Scan(&exchanged); err != nil {
			return err
		}
		if !exchanged {
			return r.enableSubscriptions(ctx)
		}
		comment := "NULL"
		if r.old.comment != nil {
			comment = sqlscript.Literal(*r.old.comment)
		}
		// As long as the new one is there, it is to be known for what it is.
		err := r.server.With(ctx, "", func(conn *pgx.Conn) error {
			err := mark(ctx, conn, r.old.name, incomplete, r.old.oid, r.old.name)
			if err == nil {
				err = noteDisabled(ctx, conn, r.old.name, r.disabled)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("putting the old database back, which is called %q now: %w", r.away, err)
		}
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			return execAll(ctx, tx,
				"ALTER DATABASE "+ident(name)+" RENAME TO "+ident(r.name),
				"ALTER DATABASE "+ident(r.away)+" RENAME TO "+ident(name),
				fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t IS_TEMPLATE %t", ident(name), r.old.connect, r.old.template),
				"COMMENT ON DATABASE "+ident(name)+" IS "+comment,
			)
		})
		if err != nil {
			return fmt.Errorf("putting the old database back, which is called %q now: %w", r.away, err)
		}
		return r.enableSubscriptions(ctx)
	})
}

// whileTerminating calls do, which waits for the sessions in the old database to end. If force is
// set they are ended meanwhile.
func (r *Replacement) whileTerminating(ctx context.Context, do func() error) error {
	if !r.force {
		return do()
	}
	return r.server.With(ctx, "", func(conn *pgx.Conn) error {
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- r.terminate(ctx, conn) }()
		err := do()
		stop()
		if why := <-ended; err != nil {
			err = errors.Join(err, why)
		}
		return err
	})
}

// terminate ends the sessions in the old database again and again, and those that a connection pooler
// has kept in the new one, which is ours until it has the old one's name.
func (r *Replacement) terminate(ctx context.Context, conn *pgx.Conn) error {
	for {
		_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE (datid = $1 OR datname = $2) AND pid <> pg_catalog.pg_backend_pid() AND usesysid IS NOT NULL", r.old.oid, r.name)
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

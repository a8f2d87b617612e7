package conninfo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
)

const (
	// poolerRounds is how often it is looked whether a pooler changes the server's session.
	poolerRounds = 3
	// poolerTimeout is how long a second session may take to come. A pool whose sessions
	// are all in use makes it wait, as one does in session mode only.
	poolerTimeout = 5 * time.Second
)

// poolerError is a pooler's that keeps pg_dump and pg_restore from working.
type poolerError struct{ origin, why, hint string }

func (e *poolerError) Error() string {
	return fmt.Sprintf("at %s answers a connection pooler%s\nhint: %s", e.origin, e.why, e.hint)
}

// transactionMode is the error for a pooler that gives each transaction another session.
func (i Info) transactionMode() error {
	return &poolerError{
		i.Origin(),
		", in whose mode (PgBouncer: pool_mode=transaction or statement) every transaction may have another session of the server: pg_dump and pg_restore need one session from their beginning to their end, and what they set in it would stay behind for the application",
		"connect to PostgreSQL itself, or to a pool with pool_mode=session",
	}
}

// keepsSettings is the error for a pooler in session mode that does not pass on settings
// which the tools do not set by themselves.
func (i Info) keepsSettings(names []string) error {
	return &poolerError{
		i.Origin(),
		fmt.Sprintf(", or a server, that does not give sessions the settings which pg_dump and pg_restore need in place of these of the role, the database %q or the server: %s", i.ConnectsTo(), strings.Join(names, ", ")),
		"connect to PostgreSQL itself, or set them otherwise (ALTER ROLE or DATABASE ... RESET) and let the pooler make new sessions (PgBouncer: RECONNECT)",
	}
}

// refusesOptions reports whether the connection failed because of its parameters, which
// poolers do not pass on: PgBouncer says 08P01, others that it is not implemented.
func refusesOptions(err error) bool {
	return isCode(err, pgerrcode.ProtocolViolation, pgerrcode.FeatureNotSupported)
}

// checkPooler refuses a pooler that gives each transaction another session of the server,
// or gives one to two of our connections. s is what conn has told. Nothing is set.
func (i Info) checkPooler(ctx context.Context, conn *pgx.Conn, s state) error {
	limited, cancel := context.WithTimeout(ctx, poolerTimeout)
	defer cancel()
	second, err := i.Connect(limited, i.keywords["dbname"])
	if err != nil {
		return inSessionMode(ctx, limited, err)
	}
	defer func() { _ = second.Close(context.WithoutCancel(ctx)) }()
	mine := s.backend
	for range poolerRounds {
		theirs, err := backendInTransaction(limited, second)
		if isCode(err, pgerrcode.ProtocolViolation) {
			return i.transactionMode() // statement mode knows no transactions
		}
		if err != nil {
			return inSessionMode(ctx, limited, err)
		}
		now, err := backendOf(ctx, conn)
		if err != nil {
			return err
		}
		if theirs == mine || now != mine {
			return i.transactionMode()
		}
	}
	return nil
}

// inSessionMode is nil when err is that the second session had to wait.
func inSessionMode(ctx, limited context.Context, err error) error {
	if ctx.Err() != nil || limited.Err() == nil {
		return fmt.Errorf("trying the connection pooler: %w", err)
	}
	return nil //nolint:nilerr // it waited as long as it was let
}

const askBackend = "SELECT pg_catalog.pg_backend_pid()"

// backendOf is the server's process that conn has now.
func backendOf(ctx context.Context, conn *pgx.Conn) (string, error) {
	return askText(ctx, conn, askBackend, 0)
}

// backendInTransaction is the server's process that conn has in a transaction.
func backendInTransaction(ctx context.Context, conn *pgx.Conn) (string, error) {
	return askText(ctx, conn, "BEGIN READ ONLY; "+askBackend+"; COMMIT", 1)
}

// askText returns the one value of the n-th statement.
func askText(ctx context.Context, conn *pgx.Conn, sql string, n int) (string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) <= n || len(results[n].Rows) != 1 {
		return "", errors.New("an answer is missing")
	}
	return string(results[n].Rows[0][0]), nil
}

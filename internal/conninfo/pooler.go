package conninfo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
)

const (
	// poolerRounds is how often it is looked whether a pooler changes the server's session.
	poolerRounds = 3
	// poolerTimeout is how long a second session may take to come. A pool whose sessions
	// are all in use makes it wait.
	poolerTimeout = 5 * time.Second
	// poolerPatience is how long the first one may take to answer, which it does at once in
	// session mode.
	poolerPatience = 15 * time.Second
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

// inUse is the error for a pooler that lets a session wait which has been used before.
func (i Info) inUse() error {
	return &poolerError{
		i.Origin(),
		", whose sessions of the server are all in use: it did not keep ours (PgBouncer: pool_mode=transaction or statement), or does not answer",
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
	limited, stop := context.WithCancel(ctx)
	second := secondSession{info: i}
	defer func() {
		stop()
		second.close(ctx)
	}()
	for range poolerRounds {
		told := second.ask(limited)
		select {
		case a := <-told:
			err := i.judge(a, s.backend)
			// Where the server's sessions take turns, with two of them each of ours would have its own
			// if it were asked once.
			for n := 0; n < 2 && err == nil; n++ {
				err = i.keepsBackend(ctx, conn, s.backend)
			}
			if err != nil {
				return err
			}
		case <-time.After(poolerTimeout):
			if waits, err := i.compareWaiting(ctx, conn, s.backend, told); err != nil || waits {
				return err
			}
		}
	}
	return nil
}

// compareWaiting asks conn while the second session waits for one of the server's. Those that wait get
// them in the order in which they came: conn is answered before only if it has one to itself.
func (i Info) compareWaiting(ctx context.Context, conn *pgx.Conn, mine string, told <-chan answer) (waits bool, err error) {
	for range 2 * poolerRounds {
		if err := i.keepsBackend(ctx, conn, mine); err != nil {
			return false, err
		}
		select {
		case a := <-told:
			return false, i.judge(a, mine)
		default:
		}
	}
	return true, nil
}

// keepsBackend fails unless conn has the server's process mine, at once.
func (i Info) keepsBackend(ctx context.Context, conn *pgx.Conn, mine string) error {
	limited, cancel := context.WithTimeout(ctx, poolerPatience)
	defer cancel()
	now, err := backendOf(limited, conn)
	switch {
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return i.inUse()
	case err != nil:
		return fmt.Errorf("trying the connection pooler: %w", err)
	case now != mine:
		return i.transactionMode()
	}
	return nil
}

// judge fails if the answer of a second session shows that conn has not its own, mine.
func (i Info) judge(a answer, mine string) error {
	switch {
	case a.connected && isCode(a.err, pgerrcode.ProtocolViolation):
		return i.transactionMode() // statement mode knows no transactions
	case a.err != nil:
		return fmt.Errorf("trying the connection pooler: %w", a.err)
	case a.backend == mine:
		return i.transactionMode()
	}
	return nil
}

// answer is what a second session says.
type answer struct {
	backend   string // the server's process in a transaction
	connected bool
	err       error
}

// secondSession is a connection beside the one that is tried.
type secondSession struct {
	info   Info
	conn   *pgx.Conn
	asking sync.WaitGroup
}

// ask asks in the background which process it has. The last question has to be answered before.
func (s *secondSession) ask(ctx context.Context) <-chan answer {
	told := make(chan answer, 1)
	s.asking.Go(func() {
		var a answer
		if s.conn == nil {
			if s.conn, a.err = s.info.Connect(ctx, s.info.ConnectsTo()); a.err != nil {
				s.conn = nil
			}
		}
		if a.connected = s.conn != nil; a.connected {
			a.backend, a.err = backendInTransaction(ctx, s.conn)
		}
		told <- a
	})
	return told
}

func (s *secondSession) close(ctx context.Context) {
	s.asking.Wait()
	if s.conn != nil {
		_ = s.conn.Close(context.WithoutCancel(ctx))
	}
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

package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

const (
	// attempts is how often a snapshot is taken until no table was created or dropped
	// meanwhile.
	attempts = 10
	// lockBatch is how many tables one statement locks.
	lockBatch = 100
	// childLockTimeout is how long a process waits for a lock when the user sets no
	// limit. Whoever is in its way most likely waits for the holder.
	childLockTimeout = time.Minute
	// closeTimeout is how long the end of a session may take.
	closeTimeout = 5 * time.Second
)

// SQLSTATEs of a table that is not there any more.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
	wrongObjectType = "42809" // its name is a sequence's now
)

// holder is the session that holds one snapshot of a database, and locks on all its
// tables, for the processes that dump its parts: without the locks a TRUNCATE, or an
// ALTER TABLE that writes a table anew, would take the rows from the snapshot too.
// It begins with the first part and ends with the last.
// Source: https://www.postgresql.org/docs/18/mvcc-caveats.html
type holder struct {
	database string
	open     func(context.Context) (*pgx.Conn, error)

	left atomic.Int64 // parts that have not ended

	gate     chan struct{} // holds a token while the fields below are in use
	conn     *pgx.Conn
	snapshot string
	encoding string          // of the database
	tables   map[string]bool // that are in the snapshot, by quoted name: whether table.whole
	err      error           // why it could not begin
}

func newHolder(database string, parts int, open func(context.Context) (*pgx.Conn, error)) *holder {
	h := &holder{database: database, open: open, gate: make(chan struct{}, 1)}
	h.left.Store(int64(parts))
	return h
}

// holderError is a failure that all parts of a database share.
type holderError struct {
	database string
	err      error
}

func (e *holderError) Error() string { return e.err.Error() }
func (e *holderError) Unwrap() error { return e.err }

func (h *holder) enter(ctx context.Context) error {
	select {
	case h.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *holder) leave() { <-h.gate }

// begin returns the snapshot's name; the first call takes it. It waits for the locks.
func (h *holder) begin(ctx context.Context) (snapshot string, err error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	if h.conn != nil || h.err != nil {
		return h.snapshot, h.err
	}
	conn, err := h.open(ctx)
	if err == nil {
		if err = h.hold(ctx, conn); err != nil {
			shut(ctx, conn)
		}
	}
	switch {
	case err == nil:
		h.conn = conn
	case ctx.Err() != nil: // this part is not wanted any more; another may be
		return "", err
	default:
		h.err = &holderError{h.database, err}
	}
	return h.snapshot, h.err
}

// has reports whether the snapshot has an ordinary table of that name, after begin.
func (h *holder) has(t table) bool { return h.tables[t.quoted()] }

// whole returns the patterns of those tables that has reports, after begin: the name of
// one that was dropped may be that of a sequence or of an extension's table by now.
func (h *holder) whole(tables []table) []string {
	var patterns []string
	for _, t := range tables {
		if h.has(t) {
			patterns = append(patterns, pgtools.Pattern(t.schema, t.name))
		}
	}
	return patterns
}

// hold locks all tables, and takes a snapshot after that: pg_dump does it the other way
// round and so loses the rows of a table that is truncated in between. Tables that come
// or go while it does so make it begin again.
func (h *holder) hold(ctx context.Context, conn *pgx.Conn) error {
	for attempt := 1; ; attempt++ {
		before, err := queryTables(ctx, conn, unmeasured)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return fmt.Errorf("beginning the transaction that holds the snapshot: %w", err)
		}
		if err = lockTables(ctx, conn, before); err == nil {
			var after []table
			if after, err = h.take(ctx, conn); err == nil && (attempt == attempts || slices.Equal(before, after)) {
				return h.accept(ctx, conn, before, after)
			}
		}
		if attempt == attempts || err != nil && !isGone(err) {
			return explain(ctx, conn, err)
		}
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("taking another snapshot: %w", err)
		}
	}
}

// take exports the snapshot and lists its tables.
func (h *holder) take(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_encoding')").Scan(&h.snapshot, &h.encoding)
	if err != nil {
		return nil, fmt.Errorf("exporting the snapshot: %w", err)
	}
	return queryTables(ctx, conn, unmeasured)
}

// accept notes the tables, and locks those that are not locked yet.
func (h *holder) accept(ctx context.Context, conn *pgx.Conn, locked, tables []table) error {
	known := make(map[table]bool, len(locked))
	for _, t := range locked {
		known[t] = true
	}
	h.tables = make(map[string]bool, len(tables))
	var others []table
	for _, t := range tables {
		h.tables[t.quoted()] = t.whole
		if !known[t] {
			others = append(others, t)
		}
	}
	return lockTables(ctx, conn, others)
}

func lockTables(ctx context.Context, conn *pgx.Conn, tables []table) error {
	for batch := range slices.Chunk(tables, lockBatch) {
		names := make([]string, 0, len(batch))
		for _, t := range batch {
			names = append(names, "ONLY "+t.quoted())
		}
		if _, err := conn.Exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("locking the tables against TRUNCATE and ALTER TABLE: %w", err)
		}
	}
	return nil
}

func isGone(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && slices.Contains([]string{undefinedTable, undefinedSchema, wrongObjectType}, pgErr.Code)
}

// explain adds to err, of a lock that was not to be had, who has it.
func explain(ctx context.Context, conn *pgx.Conn, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != lockNotAvailable {
		return err
	}
	if _, rollbackErr := conn.Exec(ctx, "ROLLBACK"); rollbackErr != nil {
		return err
	}
	return withLocks(ctx, conn, err, `granted AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()`,
		"hint: these sessions hold exclusive locks: ")
}

// withLocks adds a hint with the sessions and tables of the locks that the condition
// is true of, if there are any.
func withLocks(ctx context.Context, conn *pgx.Conn, err error, condition, hint string) error {
	rows, queryErr := conn.Query(ctx, `
		SELECT pid::text || ' (' || relation::regclass::text || ')' FROM pg_locks
		WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND relation IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p')) AND `+condition+` ORDER BY pid LIMIT 5`)
	if queryErr != nil {
		return err
	}
	sessions, queryErr := pgx.CollectRows(rows, pgx.RowTo[string])
	if queryErr != nil || len(sessions) == 0 {
		return err
	}
	return fmt.Errorf("%w\n%s%s", err, hint, strings.Join(sessions, ", "))
}

// check returns an error if the session is gone: nothing says then that what was
// dumped is of one snapshot.
func (h *holder) check(ctx context.Context) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.leave()
	if h.conn == nil {
		return h.err
	}
	if _, err := h.conn.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("the session that holds the snapshot and the locks ended: %w", err)
	}
	return nil
}

// blame adds to the error of a process which sessions it probably waited behind.
func (h *holder) blame(ctx context.Context, err error) error {
	if enterErr := h.enter(ctx); enterErr != nil {
		return err
	}
	defer h.leave()
	if h.conn == nil {
		return err
	}
	return withLocks(ctx, h.conn, err, `NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`,
		"hint: these sessions wait for the end of the backup, and whatever comes after them has to wait as well: ")
}

// done is called once for each part, when it has ended. With the last one the session
// ends.
func (h *holder) done(ctx context.Context) {
	if h.left.Add(-1) == 0 {
		h.close(ctx)
	}
}

// close ends the session, if there is one; there will be no other.
func (h *holder) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if h.enter(ctx) != nil {
		return // somebody still waits for a lock, and ends with the run
	}
	defer h.leave()
	if h.conn != nil {
		shut(ctx, h.conn)
		h.conn = nil
	}
	if h.err == nil {
		h.err = &holderError{h.database, errors.New("the snapshot of the database was given back already")}
	}
}

// shut ends the session, and its transaction with it.
func shut(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

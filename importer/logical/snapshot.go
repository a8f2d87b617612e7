package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/semaphore"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

const (
	// attempts is how often a snapshot is taken until no table was created or dropped
	// meanwhile.
	attempts = 10
	// lockBatch is how many tables one statement locks.
	lockBatch = 100
	// childLockTimeout is how long a process waits for a lock when the user sets no
	// limit. Whoever is in its way most likely waits for the session that holds the snapshot.
	childLockTimeout = time.Minute
)

// snapshotSession is the session that holds one snapshot of a database, and locks on
// all its tables, for the processes that dump its parts: without the locks a TRUNCATE,
// or an ALTER TABLE that writes a table anew, would take the rows from the snapshot too.
// It begins with the first part and ends with the last.
// Source: https://www.postgresql.org/docs/18/mvcc-caveats.html
type snapshotSession struct {
	database string
	open     func(context.Context) (*pgx.Conn, error)

	left atomic.Int64 // parts that have not ended
	read atomic.Bool  // something of some part

	mutex    *semaphore.Weighted // held while the fields below are in use, see lock
	conn     *pgx.Conn
	snapshot string
	encoding string          // of the database
	tables   map[string]bool // that are in the snapshot, by quoted name: whether table.standalone
	err      error           // why it could not begin
}

func newSnapshotSession(database string, parts int, open func(context.Context) (*pgx.Conn, error)) *snapshotSession {
	s := &snapshotSession{database: database, open: open, mutex: semaphore.NewWeighted(1)}
	s.left.Store(int64(parts))
	return s
}

// snapshotError is a failure that all parts of a database share.
type snapshotError struct {
	database string
	err      error
}

func (e *snapshotError) Error() string { return e.err.Error() }
func (e *snapshotError) Unwrap() error { return e.err }

// lock waits no longer than ctx: whoever holds it may wait for other sessions' locks.
func (s *snapshotSession) lock(ctx context.Context) error {
	if err := s.mutex.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (s *snapshotSession) unlock() { s.mutex.Release(1) }

// begin returns the snapshot's name; the first call takes it. It waits for the locks.
func (s *snapshotSession) begin(ctx context.Context) (snapshot string, err error) {
	if err := s.lock(ctx); err != nil {
		return "", err
	}
	defer s.unlock()
	if s.conn != nil || s.err != nil {
		return s.snapshot, s.err
	}
	conn, err := s.open(ctx)
	if err == nil {
		if err = s.lockAndExport(ctx, conn); err != nil {
			closeConn(ctx, conn)
		}
	}
	switch {
	case err == nil:
		s.conn = conn
	case ctx.Err() != nil: // this part is not wanted any more; another may be
		return "", err
	default:
		s.err = &snapshotError{s.database, err}
	}
	return s.snapshot, s.err
}

// contains reports whether the snapshot has an ordinary table of that name, after begin.
func (s *snapshotSession) contains(t table) bool { return s.tables[t.quoted()] }

// patterns returns the patterns of those tables that contains reports, after begin: the name of
// one that was dropped may be that of a sequence or of an extension's table by now.
func (s *snapshotSession) patterns(tables []table) []string {
	var patterns []string
	for _, t := range tables {
		if s.contains(t) {
			patterns = append(patterns, pgtools.Pattern(t.schema, t.name))
		}
	}
	return patterns
}

// lockAndExport locks all tables, and takes a snapshot after that: pg_dump does it the other way
// round and so loses the rows of a table that is truncated in between. Tables that come
// or go while it does so make it begin again.
func (s *snapshotSession) lockAndExport(ctx context.Context, conn *pgx.Conn) error {
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
			if after, err = s.exportSnapshot(ctx, conn); err == nil && (attempt == attempts || slices.Equal(before, after)) {
				return s.lockRemaining(ctx, conn, before, after)
			}
		}
		if attempt == attempts || err != nil && !isDropped(err) {
			return addLockHolders(ctx, conn, err)
		}
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("taking another snapshot: %w", err)
		}
	}
}

// exportSnapshot exports the snapshot and lists its tables.
func (s *snapshotSession) exportSnapshot(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_encoding')").Scan(&s.snapshot, &s.encoding)
	if err != nil {
		return nil, fmt.Errorf("exporting the snapshot: %w", err)
	}
	return queryTables(ctx, conn, unmeasured)
}

// lockRemaining notes the tables, and locks those that are not locked yet.
func (s *snapshotSession) lockRemaining(ctx context.Context, conn *pgx.Conn, locked, tables []table) error {
	known := make(map[table]bool, len(locked))
	for _, t := range locked {
		known[t] = true
	}
	s.tables = make(map[string]bool, len(tables))
	var others []table
	for _, t := range tables {
		s.tables[t.quoted()] = t.standalone
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

func isDropped(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && slices.Contains([]string{
		pgerrcode.UndefinedTable, pgerrcode.InvalidSchemaName,
		pgerrcode.WrongObjectType, // its name is a sequence's now
	}, pgErr.Code)
}

// addLockHolders adds to err, of a lock that was not to be had, who has it.
func addLockHolders(ctx context.Context, conn *pgx.Conn, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != pgerrcode.LockNotAvailable {
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

// verifyAlive returns an error if the session is gone: nothing says then that what was
// dumped is of one snapshot.
func (s *snapshotSession) verifyAlive(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if s.conn == nil {
		return s.err
	}
	if _, err := s.conn.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("the session that holds the snapshot and the locks ended: %w", err)
	}
	return nil
}

// addWaiters adds to the error of a process which sessions it probably waited behind.
func (s *snapshotSession) addWaiters(ctx context.Context, err error) error {
	if lockErr := s.lock(ctx); lockErr != nil {
		return err
	}
	defer s.unlock()
	if s.conn == nil {
		return err
	}
	return withLocks(ctx, s.conn, err, `NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`,
		"hint: these sessions wait for the end of the backup, and whatever comes after them has to wait as well: ")
}

// partEnded is called once for each part, when it has ended. With the last one the
// session ends.
func (s *snapshotSession) partEnded(ctx context.Context) {
	if s.left.Add(-1) == 0 {
		s.close(ctx)
	}
}

// close ends the session, if there is one; there will be no other. It is called when
// no part uses it any more.
func (s *snapshotSession) close(ctx context.Context) {
	if s.conn != nil {
		closeConn(ctx, s.conn)
		s.conn = nil
	}
	if s.err == nil {
		s.err = &snapshotError{s.database, errors.New("the snapshot of the database was given back already")}
	}
}

// closeConn ends the session, and its transaction with it, though ctx may have ended.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	_ = conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

package manifest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

const (
	// A server that takes longer to accept a session is not worth waiting for.
	connectTimeout = time.Minute
	// Per statement; a large database is read in many.
	statementTimeout = 2 * time.Minute
	// Short, because a relation known to be locked is not touched at all.
	lockTimeout = 2 * time.Second
)

// session is a connection that is set up for the collection. It speaks the
// protocol directly: one round trip a query, every value as text.
type session struct {
	ctx   context.Context // of the collection
	conn  *pgx.Conn
	major int
}

func openSession(ctx context.Context, c Connector, database string) (*session, error) {
	connectCtx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := c.Connect(connectCtx, database)
	if err != nil {
		return nil, err
	}
	s := &session{ctx: ctx, conn: conn}
	if err := s.prepare(connectCtx); err != nil {
		s.close()
		return nil, fmt.Errorf("setting up the session: %w", err)
	}
	return s, nil
}

func (s *session) prepare(ctx context.Context) error {
	// Before anything else: names must not resolve to a user's objects.
	if err := s.run(ctx, "SET search_path = pg_catalog"); err != nil {
		return err
	}
	encoding := "UTF8"
	switch s.conn.PgConn().ParameterStatus("server_encoding") {
	case "SQL_ASCII", "MULE_INTERNAL":
		// The server cannot convert these and would refuse to send what is not
		// UTF-8. Taken as it is, it is made valid here.
		encoding = "SQL_ASCII"
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return s.each(ctx, query("session", 0), func(row [][]byte) error {
		num, err := strconv.Atoi(string(row[0]))
		s.major = num / 10000
		return err
	}, encoding, milliseconds(statementTimeout), milliseconds(lockTimeout))
}

// run executes a statement without result.
func (s *session) run(ctx context.Context, sql string, args ...string) error {
	return s.each(ctx, sql, func([][]byte) error { return nil }, args...)
}

// each calls f for every row. The row's memory is reused after f returns. An
// error of f ends the query and is returned.
func (s *session) each(ctx context.Context, sql string, f func(row [][]byte) error, args ...string) error {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	result := s.conn.PgConn().ExecParams(ctx, sql, values, nil, nil, nil)
	var failed error
	for failed == nil && result.NextRow() {
		failed = f(result.Values())
	}
	if _, err := result.Close(); failed == nil {
		failed = err
	}
	return failed
}

// close ends the session and waits, within limits, until it is over: after a
// cancelled query pgx asks the server to stop it in the background.
func (s *session) close() {
	ctx, cancel := shutdown.CleanupContext(s.ctx)
	defer cancel()
	_ = s.conn.Close(ctx)
	select {
	case <-s.conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// list decodes a query whose rows are one JSON object each. It is never nil
// without an error.
func list[T any](ctx context.Context, s *session, name string, args ...string) ([]T, error) {
	found := []T{}
	err := s.each(ctx, query(name, s.major), func(row [][]byte) error {
		var item T
		if err := json.Unmarshal(row[0], &item); err != nil {
			return err
		}
		found = append(found, item)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// validUTF8 returns text itself when it is valid, which is almost always.
func validUTF8(text []byte) []byte {
	return bytes.ToValidUTF8(text, []byte("\uFFFD"))
}

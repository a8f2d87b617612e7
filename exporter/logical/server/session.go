package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Session runs the statements of a script.
type Session struct {
	conn     *pgx.Conn
	encoding string // client_encoding; "" if bytes are taken as they are
}

// WithSession is WithSessionIn the database that others are created from.
func (s *Server) WithSession(ctx context.Context, script *sqlscript.Script, do func(*Session) error) error {
	return s.WithSessionIn(ctx, "", script, do)
}

// WithSessionIn opens a session in the database for the statements of script, calls do and
// closes the session. It is in the script's encoding, so that names and texts arrive as they
// were.
func (s *Server) WithSessionIn(ctx context.Context, database string, script *sqlscript.Script, do func(*Session) error) error {
	return s.With(ctx, database, func(conn *pgx.Conn) error {
		// Escapes need no setting: sqlscript writes statements for this one.
		_, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('standard_conforming_strings', 'on', false)")
		if err == nil && script.Encoding != "" {
			_, err = conn.Exec(ctx, "SELECT pg_catalog.set_config('client_encoding', $1, false)", script.Encoding)
		}
		if err != nil {
			return fmt.Errorf("preparing the session for a script: %w", err)
		}
		return do(&Session{conn: conn, encoding: script.Encoding})
	})
}

// Conn is the session's connection, for statements of ours.
func (s *Session) Conn() *pgx.Conn { return s.conn }

// Lost reports whether the session has ended: no further statement can be run.
func (s *Session) Lost() bool { return s.conn.IsClosed() }

// Names runs a query for names.
func (s *Session) Names(ctx context.Context, sql string) ([]string, error) {
	rows, _ := s.conn.Query(ctx, sql)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Run runs the one statement. Its error names the statement, without what may be secret,
// and wraps the server's *pgconn.PgError.
func (s *Session) Run(ctx context.Context, statement sqlscript.Statement) error {
	// The extended protocol takes no more than one.
	result := s.conn.PgConn().ExecParams(ctx, statement.SQL, nil, nil, nil, nil)
	if _, err := result.Close(); err != nil {
		return &StatementError{Subject: statement.Subject(), lost: s.Lost(), err: err}
	}
	return nil
}

// Name is a name, in the bytes that the server has it in, as statements of the session have
// to write it.
func (s *Session) Name(ctx context.Context, name string) (string, error) {
	return s.convert(ctx, name, s.encoding, "pg_catalog.convert($1, pg_catalog.getdatabaseencoding(), $2)")
}

// ServerName is a name that a statement of the session has, in the bytes of the server.
func (s *Session) ServerName(ctx context.Context, name string) (string, error) {
	return s.convert(ctx, name, s.encoding, "pg_catalog.convert($1, $2, pg_catalog.getdatabaseencoding())")
}

// NameFrom is a name that another script has, in its encoding, as statements of the session
// write it.
func (s *Session) NameFrom(ctx context.Context, name, encoding string) (string, error) {
	if encoding == s.encoding || s.encoding == "" {
		return name, nil
	}
	return s.convert(ctx, name, encoding, "pg_catalog.convert($1, $2, pg_catalog.current_setting('client_encoding'))")
}

func (s *Session) convert(ctx context.Context, name, encoding, expression string) (string, error) {
	if encoding == "" || !strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return name, nil
	}
	var converted []byte
	if err := s.conn.QueryRow(ctx, "SELECT "+expression, []byte(name), encoding).Scan(&converted); err != nil {
		return "", fmt.Errorf("converting the name %q, which is in another encoding than the server's: %w", name, err)
	}
	return string(converted), nil
}

// RunAll runs statements one after another, and returns their errors together. It stops at
// the first one if exitOnError is set, and when no other statement can be run.
func (s *Session) RunAll(ctx context.Context, statements []sqlscript.Statement, exitOnError bool) error {
	var errs Errors
	for _, statement := range statements {
		err := s.Run(ctx, statement)
		errs.Add(err)
		if err != nil && (exitOnError || ctx.Err() != nil || s.Lost()) {
			break
		}
	}
	return errs.Err()
}

// StatementError says that a statement failed.
type StatementError struct {
	Subject string // the beginning of the statement
	lost    bool
	err     error
}

func (e *StatementError) Error() string {
	var pgErr *pgconn.PgError
	switch {
	case errors.As(e.err, &pgErr) && pgErr.Detail != "":
		return fmt.Sprintf("%s: %s: %s (SQLSTATE %s)", e.Subject, pgErr.Message, pgErr.Detail, pgErr.Code)
	case pgErr != nil:
		return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Subject, pgErr.Message, pgErr.Code)
	case e.lost:
		return fmt.Sprintf("%s: the connection to server was lost: %v", e.Subject, e.err)
	}
	return fmt.Sprintf("%s: %v", e.Subject, e.err)
}

// Unwrap returns the cause.
func (e *StatementError) Unwrap() error { return e.err }

// Code is the SQLSTATE of a failed statement, "" for any other error.
func Code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// maxErrors is how many errors of a script are kept for the message.
const maxErrors = 20

// Errors collects the errors of a script's statements.
type Errors struct {
	list []error
	left int // that were too many
}

// Add keeps an error, unless it is nil or there are many already.
func (e *Errors) Add(err error) {
	switch {
	case err == nil:
	case len(e.list) == maxErrors:
		e.left++
	default:
		e.list = append(e.list, err)
	}
}

// Err is all of them, or nil.
func (e *Errors) Err() error {
	if e.left == 0 {
		return errors.Join(e.list...)
	}
	return errors.Join(append(e.list, fmt.Errorf("[%d more errors]", e.left))...)
}

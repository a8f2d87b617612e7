package harness

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// queryTimeout is for the harness' own statements.
const queryTimeout = 2 * time.Minute

// URL returns the URI of a database over TCP, with the superuser's password.
// The empty name gives the URI of the whole cluster.
func (s *Server) URL(db string) string {
	return s.URLFor(Superuser, s.Password, db)
}

// URLFor returns the URI of a database over TCP for another user; no password
// is put into it when that is empty.
func (s *Server) URLFor(username, password, db string) string {
	u := url.URL{Scheme: "postgres", Host: s.Host + ":" + strconv.Itoa(s.Port), User: url.User(username)}
	if password != "" {
		u.User = url.UserPassword(username, password)
	}
	return u.String() + "/" + url.PathEscape(db)
}

// Connect connects to a database as the superuser, through the socket. The
// connection is closed when the test ends.
func (s *Server) Connect(tb testing.TB, db string) *pgx.Conn {
	tb.Helper()
	return s.ConnectWith(tb, db, "")
}

// ConnectWith is Connect with start-up options, such as "-c statement_timeout=0", which
// outrank what the server, the database or the role sets.
func (s *Server) ConnectWith(tb testing.TB, db, options string) *pgx.Conn {
	tb.Helper()
	conn, err := s.connect(context.Background(), db, options)
	if err != nil {
		tb.Fatalf("connecting to %q: %v", db, err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *Server) connect(ctx context.Context, db, options string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port = s.SocketDir, uint16(s.Port) //nolint:gosec // a port fits
	config.User, config.Password, config.Database = Superuser, s.Password, db
	config.RuntimeParams["application_name"] = "harness"
	if options != "" {
		config.RuntimeParams["options"] = options
	}
	return pgx.ConnectConfig(ctx, config)
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := s.connect(ctx, "postgres", "")
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Exec runs any number of statements in a database; an error ends the test.
func (s *Server) Exec(tb testing.TB, db, sql string) {
	tb.Helper()
	if err := s.TryExec(db, sql); err != nil {
		tb.Fatalf("in %q: %v", db, err)
	}
}

// TryExec is Exec for a caller that wants the error. Several statements run
// in one transaction.
func (s *Server) TryExec(db, sql string) error {
	_, err := s.query(db, sql)
	return err
}

// QueryText returns a query's rows as text: columns separated by '|', rows by
// a newline, NULL as an empty string, as psql -At does.
func (s *Server) QueryText(tb testing.TB, db, sql string) string {
	tb.Helper()
	rows, err := s.query(db, sql)
	if err != nil {
		tb.Fatalf("in %q: %v\n%s", db, err, sql)
	}
	return strings.Join(rows, "\n")
}

// query runs statements and returns the rows of all of them.
func (s *Server) query(db, sql string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	conn, err := s.connect(ctx, db, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var rows []string
	for _, result := range results {
		for _, row := range result.Rows {
			rows = append(rows, string(bytes.Join(row, []byte("|"))))
		}
	}
	return rows, err
}

// Psql runs a script in a database with psql, statement by statement; the
// first error ends the test.
func (s *Server) Psql(tb testing.TB, db, script string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Tool("psql"), "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-f", "-") //nolint:gosec // our own tool
	cmd.Env = s.Env(db)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("psql in %q: %v\n%s", db, err, out)
	}
}

// Env returns the environment with which PostgreSQL's client programs connect
// to a database as the superuser, through the socket.
func (s *Server) Env(db string) []string {
	return append(serverEnv(s.base),
		"PGHOST="+s.SocketDir, "PGPORT="+strconv.Itoa(s.Port), "PGUSER="+Superuser, "PGDATABASE="+db,
		"PGCLIENTENCODING=UTF8")
}

// Databases returns the names of the databases that accept connections, in
// the order of their bytes.
func (s *Server) Databases(tb testing.TB) []string {
	tb.Helper()
	conn := s.Connect(tb, "postgres")
	rows, err := conn.Query(context.Background(), "SELECT datname FROM pg_database WHERE datallowconn")
	must(tb, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(tb, err)
	slices.Sort(names)
	return names
}

// SetPassword changes the superuser's password.
func (s *Server) SetPassword(tb testing.TB, password string) {
	tb.Helper()
	s.Exec(tb, "postgres", fmt.Sprintf("ALTER ROLE %s PASSWORD %s", Superuser, Literal(password)))
	s.Password = password
}

// Ident quotes an SQL identifier, Literal a string.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal quotes an SQL string, whatever standard_conforming_strings says.
func Literal(text string) string {
	return `E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
}

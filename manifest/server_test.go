package manifest_test

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// testServer adds to the harness' server what these tests do often.
type testServer struct{ *harness.Server }

func start(tb testing.TB) *testServer {
	tb.Helper()
	return &testServer{harness.Start(tb, harness.InitdbArgs("--locale=C"),
		harness.Conf("archive_command = 'cp /hush-archive/%f'", "max_locks_per_transaction = 1000"))}
}

// urlAs is the URL of a database for a role, through the socket, which asks for no
// password.
func (s *testServer) urlAs(role, database string) string {
	query := url.Values{
		"host": {s.SocketDir}, "port": {strconv.Itoa(s.Port)}, "user": {role}, "dbname": {database}, "application_name": {"manifest"},
	}
	return "postgres:///?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}

// open connects as the superuser, under another name than the collection does.
func (s *testServer) open(tb testing.TB, database string) *pgx.Conn {
	tb.Helper()
	config, err := pgx.ParseConfig(s.urlAs(harness.Superuser, database))
	if err != nil {
		tb.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "test"
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec runs several statements, in one session that is then closed.
func (s *testServer) Exec(tb testing.TB, database, sql string) {
	tb.Helper()
	conn := s.open(tb, database)
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		tb.Fatalf("%v in %s", err, sql)
	}
}

// database makes a database.
func (s *testServer) database(tb testing.TB, name, options string) {
	tb.Helper()
	quoted := pgx.Identifier{name}.Sanitize()
	s.Exec(tb, harness.Superuser, "CREATE DATABASE "+quoted+" "+options)
}

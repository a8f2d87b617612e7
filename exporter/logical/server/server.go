package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
)

// Maintenance are the databases that others are made through, which are never dropped.
var Maintenance = []string{"postgres", "template1"}

// Server is what a restore needs to know of the server.
type Server struct {
	// Info is pinned to the host, and to the database below.
	Info conninfo.Info
	// Database lets the user in, and others are created from it.
	Database string
	Major    int      // 15
	Version  string   // "15.18 (Debian 15.18-0+deb12u1)"
	Roles    []string // that restore: the one that logged in, and the one it acts as
}

// Inspect connects to the server and asks for what has to be known of it. The session is
// closed before it returns. Of databases on the server it tries, apart from Maintenance,
// the one that info names.
func Inspect(ctx context.Context, info conninfo.Info) (*Server, error) {
	candidates := Maintenance
	if target := info.Database(); target != "" {
		candidates = slices.Concat(Maintenance, []string{target})
	}
	pinned, conn, err := info.Dial(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	s := &Server{Info: pinned, Database: conn.Config().Database}
	var versionNum int
	err = conn.QueryRow(ctx, `
		SELECT pg_catalog.current_setting('server_version_num')::int,
		       pg_catalog.current_setting('server_version'),
		       array[session_user::text, current_user::text]`,
	).Scan(&versionNum, &s.Version, &s.Roles)
	if err != nil {
		return nil, fmt.Errorf("asking the server for its version: %w", err)
	}
	s.Major = pgversion.MajorOfNum(versionNum)
	return s, nil
}

// WithoutEventTriggers returns the server for sessions that fire none, if the role may have that.
func (s *Server) WithoutEventTriggers() *Server {
	quiet := *s
	quiet.Info = quiet.Info.WithoutEventTriggers()
	return &quiet
}

// With connects to the database, "" for the one that others are created from, calls do
// and closes the connection.
func (s *Server) With(ctx context.Context, database string, do func(*pgx.Conn) error) error {
	if database == "" {
		database = s.Database
	}
	conn, err := s.Info.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	return do(conn)
}

func closeConn(ctx context.Context, conn *pgx.Conn) { _ = conn.Close(context.WithoutCancel(ctx)) }

package logical

import (
	"context"
	"fmt"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// server is what a restore needs to know of the server.
type server struct {
	info     conninfo.Info // pinned to the host and to the database below
	database string        // that lets the user in and from which others are created
	major    int
	version  string
	roles    []string // that restore: the one that logged in, and the one it acts as
	psql     pgtools.Installation
}

// look connects to the server, asks and finds psql. The session is closed before
// it returns.
func (e *Exporter) look(ctx context.Context) (*server, error) {
	info, err := e.info.WithFiles(e.secrets)
	if err != nil {
		return nil, err
	}
	candidates := kept
	if target := e.info.Database(); target != "" {
		candidates = slices.Concat(kept, []string{target})
	}
	pinned, conn, err := info.Dial(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &server{info: pinned, database: conn.Config().Database}
	var versionNum int
	err = conn.QueryRow(ctx, `
		SELECT pg_catalog.current_setting('server_version_num')::int,
		       pg_catalog.current_setting('server_version'),
		       array[session_user::text, current_user::text]`,
	).Scan(&versionNum, &s.version, &s.roles)
	if err != nil {
		return nil, fmt.Errorf("asking the server for its version: %w", err)
	}
	s.major = pgtools.Major(versionNum)
	// The script may hold commands that only a psql as new as pg_dumpall knows.
	if s.psql, err = pgtools.Newest(ctx, e.options.PgBinDir, pgtools.Psql); err != nil {
		return nil, err
	}
	if _, err := pgtools.Find(ctx, e.options.PgBinDir, s.major, 0, pgtools.PgRestore); err != nil {
		return nil, fmt.Errorf("the server at %s is PostgreSQL %s: %w", e.Origin(), s.version, err)
	}
	return s, nil
}

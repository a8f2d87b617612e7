package physical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
)

// server is what the backup needs to know of the server.
type server struct {
	info     conninfo.Info // names the host
	conn     *replication.Conn
	tool     *toolArchives // nil unless pg_basebackup was started
	systemID string

	// What follows needs a database that lets the user in.
	maintenance  string // that database, "" for none
	databases    []string
	tablespaces  bool     // there are some besides the built-in ones
	catalogsRead bool     // tablespaces and databases are known
	config       []string // configuration files, by name in the data directory; as far as the role may know

	warnings []string // for the manifest
}

// look connects to the server and asks. The server has to be closed.
func (i *Importer) look(ctx context.Context) (*server, error) {
	if err := spool.CheckDir(i.options.SpoolDir); err != nil {
		return nil, err
	}
	info, err := i.info.WithFiles(i.secrets)
	if err != nil {
		return nil, err
	}
	info, pg, err := info.DialReplication(ctx)
	if err != nil {
		return nil, withHint(err)
	}
	s := &server{info: info, conn: replication.New(pg), maintenance: "postgres"}
	if s.systemID, err = s.conn.SystemID(ctx); err != nil {
		s.close(ctx)
		return nil, err
	}
	if err := s.readCatalogs(ctx); err != nil {
		s.warn("the catalogues could not be read: " + err.Error())
	}
	return s, nil
}

// withHint says what a server needs that does not let the role replicate.
func withHint(err error) error {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != pgerrcode.InvalidAuthorizationSpecification && refusal.Code != pgerrcode.InsufficientPrivilege {
		return err
	}
	return fmt.Errorf("%w\nhint: the role needs REPLICATION, and pg_hba.conf a line for the database \"replication\"", err)
}

// readCatalogs reads the catalogues. Not every replication role may.
func (s *server) readCatalogs(ctx context.Context) error {
	info, conn, err := s.info.Dial(ctx, "postgres", "template1")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s.info, s.maintenance = info, conn.Config().Database
	rows, err := conn.Query(ctx, "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2")
	if err != nil {
		return err
	}
	if s.databases, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	// The built-in tablespaces have the OIDs 1663 and 1664.
	// Source: https://www.postgresql.org/docs/18/system-catalog-initial-data.html
	err = conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_catalog.pg_tablespace WHERE oid >= 16384").Scan(&s.tablespaces)
	s.catalogsRead = err == nil
	if err == nil {
		err = s.readConfigFiles(ctx, conn)
	}
	return err
}

// readConfigFiles notes the configuration files that lie in the data directory. A role
// without pg_read_all_settings finds none.
func (s *server) readConfigFiles(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT substr(f.setting, length(d.setting) + 2)
		FROM pg_catalog.pg_settings f, pg_catalog.pg_settings d
		WHERE d.name = 'data_directory' AND f.name IN ('config_file', 'hba_file', 'ident_file')
		AND left(f.setting, length(d.setting) + 1) = d.setting || '/' ORDER BY f.name`)
	if err != nil {
		return err
	}
	s.config, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// reserveWAL pins the WAL for as long as the server is open.
func (s *server) reserveWAL(ctx context.Context) {
	if err := s.conn.ReserveWAL(ctx); err != nil {
		s.warn(fmt.Sprintf("nothing keeps the server from removing WAL that this backup needs; should it do so, the backup fails: %v", err))
	}
}

// warnConfig names the configuration files that lie in the data directory and did not come.
func (s *server) warnConfig(names []string) {
	for _, name := range names {
		s.warn(fmt.Sprintf("%s is a link in the data directory, or behind one: it is not in the backup; copy it by hand", name))
	}
}

func (s *server) warn(text string) {
	slog.Warn(text)
	s.warnings = append(s.warnings, text)
}

// close ends pg_basebackup and what was begun on the server, although ctx may have ended.
func (s *server) close(ctx context.Context) {
	if s.tool != nil {
		s.tool.stop()
	}
	cleanup, done := shutdown.CleanupContext(ctx)
	defer done()
	cleanup, cancel := context.WithTimeout(cleanup, shutdown.RollbackTimeout)
	defer cancel()
	if s.tool != nil {
		s.tool.endSession(cleanup)
	}
	if err := s.conn.Close(cleanup); err != nil {
		slog.Debug("closing the replication connection: " + err.Error())
	}
}

// operation describes the backup for its progress. Its size is that of the tablespaces,
// which a role that is a member of pg_read_all_stats may ask for; the WAL is not in it.
func (s *server) operation(ctx context.Context, received *progress.Counter) progress.Operation {
	o := progress.Operation{Name: "base backup", Bytes: received.Bytes, Of: "the %s that the tablespaces take"}
	if s.maintenance == "" {
		return o
	}
	conn, err := s.info.Connect(ctx, s.maintenance)
	if err == nil {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		err = conn.QueryRow(ctx, "SELECT pg_catalog.sum(pg_catalog.pg_tablespace_size(oid))::bigint FROM pg_catalog.pg_tablespace").Scan(&o.Total)
	}
	if err != nil {
		slog.Debug("asking for the size of the tablespaces: " + err.Error())
	}
	return o
}

package logical

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
)

// server is what the plan needs to know of the server.
type server struct {
	info       conninfo.Info // pinned to the host and to a database that lets the user in
	database   string        // that database
	versionNum int           // 150018
	version    string        // "15.18"
	passwords  bool          // the user may read the roles' passwords
	databases  []database    // all of them, in the order of their names
	// withSubscriptions are the databases whose subscriptions the user cannot save.
	withSubscriptions []string
}

type database struct {
	oid       uint32
	name      string
	allowConn bool
	invalid   bool  // left behind by an interrupted DROP DATABASE
	small     bool  // smallDatabase or less
	size      int64 // bytes on the server, 0 if it is not known
}

// Of the databases that a server normally has, these are asked for what concerns
// the server when no database is selected.
var maintenance = []string{"postgres", "template1"}

// inspect connects to the server and asks. The session is closed before it returns.
func inspect(ctx context.Context, info conninfo.Info) (*server, error) {
	candidates := maintenance
	if selected := info.Database(); selected != "" {
		candidates = []string{selected}
	}
	pinned, conn, err := info.Dial(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &server{info: pinned.WithoutEventTriggers(), database: conn.Config().Database}
	err = conn.QueryRow(ctx, `
		SELECT pg_catalog.current_setting('server_version_num')::int,
		       pg_catalog.current_setting('server_version'),
		       pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')`,
	).Scan(&s.versionNum, &s.version, &s.passwords)
	if err != nil {
		return nil, fmt.Errorf("asking the server for its version: %w", err)
	}
	if s.passwords {
		if s.passwords, err = mayReadPasswords(ctx, conn); err != nil {
			return nil, err
		}
	}
	if s.withSubscriptions, err = listWithSubscriptions(ctx, conn); err != nil {
		return nil, err
	}
	if s.databases, err = listDatabases(ctx, conn); err != nil {
		return nil, err
	}
	measure(ctx, conn, s.databases)
	return s, nil
}

// listWithSubscriptions lists the databases whose subscriptions pg_dump will leave out,
// with a warning: it saves them for superusers only.
// Source: getSubscriptions in src/bin/pg_dump/pg_dump.c
func listWithSubscriptions(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT d.datname::text
		FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
		WHERE pg_catalog.current_setting('is_superuser') = 'off' ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("listing the subscriptions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing the subscriptions: %w", err)
	}
	return names, nil
}

// mayReadPasswords tries, for a user who has the privilege: managed services may
// keep pg_authid even from those, such as the members of pg_read_all_data.
func mayReadPasswords(ctx context.Context, conn *pgx.Conn) (bool, error) {
	_, err := conn.Exec(ctx, "SELECT pg_catalog.count(rolpassword) FROM pg_catalog.pg_authid")
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.InsufficientPrivilege {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking the server for the roles' passwords: %w", err)
	}
	return true, nil
}

// listDatabases lists the databases. A connection limit of -2 marks one that
// cannot be used any more.
// Source: https://www.postgresql.org/docs/18/catalog-pg-database.html
func listDatabases(ctx context.Context, conn *pgx.Conn) ([]database, error) {
	rows, err := conn.Query(ctx, `
		SELECT oid, datname::text, datallowconn, datconnlimit = -2
		FROM pg_catalog.pg_database ORDER BY datname::text COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("listing the databases: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d database, err error) {
		err = row.Scan(&d.oid, &d.name, &d.allowConn, &d.invalid)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the databases: %w", err)
	}
	return list, nil
}

// measure notes how large databases are. That is for the order of the work, and for the
// progress, only: without the right to ask, or when one of them is dropped meanwhile, the
// server may refuse all their sizes, and then none counts as small.
func measure(ctx context.Context, conn *pgx.Conn, databases []database) {
	rows, _ := conn.Query(ctx, `
		SELECT oid, pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database
		WHERE pg_catalog.has_database_privilege(oid, 'CONNECT')`)
	sizes := make(map[uint32]int64)
	var oid uint32
	var size int64
	if _, err := pgx.ForEachRow(rows, []any{&oid, &size}, func() error { sizes[oid] = size; return nil }); err != nil {
		return
	}
	for n := range databases {
		if size, known := sizes[databases[n].oid]; known {
			databases[n].small, databases[n].size = size <= smallDatabase, size
		}
	}
}

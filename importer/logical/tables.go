package logical

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// maxFiles is how many tables of a database get a file of their own: each is named
// in an argument of the pg_dump that leaves them out.
const maxFiles = 200

// table is a table that pg_dump reads.
type table struct {
	oid          uint32
	schema, name string
	standalone   bool  // an ordinary table of the user's, whose rows can be dumped alone
	size         int64 // bytes on the server, with what is stored out of line
}

func (t table) String() string { return t.schema + "." + t.name }

// quoted is the table's name in SQL.
func (t table) quoted() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// Tables of extensions are pg_dump's own business: some rows of some of them belong
// to the database. Sizes are asked for without a lock where somebody may have an
// exclusive one, which would have to be waited for.
// Source: getTables and processExtensionTables in src/bin/pg_dump/pg_dump.c
const (
	listTables = `
	SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'r' AND e.objid IS NULL, `
	measured = `
		CASE WHEN c.relkind = 'p' THEN 0
		     WHEN locked.relation IS NULL THEN coalesce(pg_table_size(c.oid), 0) -- null: dropped meanwhile
		     ELSE (c.relpages + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint END`
	estimated  = `(c.relpages + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint`
	unmeasured = `0::bigint`
	fromTables = `
	FROM pg_class c
	JOIN pg_namespace n ON n.oid = c.relnamespace
	LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
	LEFT JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
	LEFT JOIN (
		SELECT DISTINCT relation FROM pg_locks
		WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
	) locked ON locked.relation = c.oid
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
		AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		AND (e.objid IS NULL OR c.oid IN (SELECT unnest(extconfig) FROM pg_extension))
	ORDER BY c.oid`
)

// openTables opens a session for looking at the tables of a database, and for
// holding them: none of the server's timeouts but lockTimeout (0 for none) ends what
// it does.
func openTables(ctx context.Context, info conninfo.Info, database string, lockTimeout time.Duration) (*pgx.Conn, error) {
	conn, err := info.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, `SET search_path = pg_catalog; SET statement_timeout = 0;
		SET idle_in_transaction_session_timeout = 0; SET lock_timeout = `+strconv.FormatInt(lockTimeout.Milliseconds(), 10))
	if err == nil {
		// Not every server has it.
		_, err = conn.Exec(ctx, "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setting the session up: %w", err), conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// queryTables lists the tables that pg_dump would lock; size is one of the
// expressions above.
func queryTables(ctx context.Context, conn *pgx.Conn, size string) ([]table, error) {
	rows, err := conn.Query(ctx, listTables+size+fromTables)
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		err = row.Scan(&t.oid, &t.schema, &t.name, &t.standalone, &t.size)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	return list, nil
}

// measureTables lists the tables of a database with their sizes. The session is
// closed before it returns.
func measureTables(ctx context.Context, info conninfo.Info, database string) ([]table, error) {
	conn, err := openTables(ctx, info, database, 2*time.Second)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	list, err := queryTables(ctx, conn, measured)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.LockNotAvailable {
		return queryTables(ctx, conn, estimated)
	}
	return list, err
}

// largest returns the tables that get a file of their own in directory, the largest
// one first.
func largest(all []table, directory string, from int64) []table {
	var chosen []table
	for _, t := range all {
		if _, ok := recordname.TableFile(directory, t.schema, t.name); ok && t.standalone && t.size >= from {
			chosen = append(chosen, t)
		}
	}
	slices.SortStableFunc(chosen, func(a, b table) int { return cmp.Compare(b.size, a.size) })
	return chosen[:min(len(chosen), maxFiles)]
}

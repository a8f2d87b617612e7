package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// Incomplete ends a restore in which something failed: the old database stays in its place, the new one
// beside it, with what was restored. Only where the server's disk is full the new one is dropped: what
// the old one's users need comes first.
func (r *Replacement) Incomplete(ctx context.Context, why error) error {
	defer func() { _ = r.release(ctx) }()
	if r.diskFull(ctx, why) {
		if err := r.makeRoom(ctx); err != nil {
			slog.Warn("making room on the server's disk: " + err.Error())
		}
		return errors.Join(fmt.Errorf("%w\nrecreate: the server's disk is full: the new database was dropped, the old one was left as it is\nhint: recreate=first needs no room for both", why), r.drop(ctx))
	}
	return fmt.Errorf("%w\nrecreate: the old database was left as it is%s\nit is dropped by the next restore with recreate that succeeds", why, r.byHand(r.old.name, "incomplete"))
}

// makeRoom drops the largest tables of the new database: where nothing can be written any more, the checkpoint
// fails that DROP DATABASE waits for.
func (r *Replacement) makeRoom(ctx context.Context) error {
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	return r.server.With(ctx, r.name, func(conn *pgx.Conn) error {
		tables, err := names(ctx, conn, `
			SELECT oid::pg_catalog.regclass::text FROM pg_catalog.pg_class
			WHERE relkind = 'r' AND oid >= 16384 AND relpersistence <> 't' ORDER BY pg_catalog.pg_total_relation_size(oid) DESC LIMIT 100`)
		for _, table := range tables {
			_, dropErr := conn.Exec(ctx, "DROP TABLE IF EXISTS "+table+" CASCADE")
			err = errors.Join(err, dropErr)
		}
		return err
	})
}

// diskFull reports whether the server has no room left. pg_restore does not say the SQLSTATE, and the
// server's messages may be in another language: then the new database is written to.
func (r *Replacement) diskFull(ctx context.Context, why error) bool {
	if server.Code(why) == pgerrcode.DiskFull {
		return true
	}
	// Source: mdextend in src/backend/storage/smgr/md.c
	for _, text := range []string{"No space left on device", "Check free disk space"} {
		if strings.Contains(why.Error(), text) {
			return true
		}
	}
	if ctx.Err() != nil {
		return false
	}
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	err := r.server.With(ctx, r.name, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE TEMPORARY TABLE plakar_probe AS SELECT pg_catalog.generate_series(1, 200000)")
		return err
	})
	return server.Code(err) == pgerrcode.DiskFull
}

// sweep drops what earlier restores of the same database left behind, when this one has succeeded. What
// another restore may be at work on stays, and so does what this user could not drop.
func (r *Replacement) sweep(ctx context.Context, session *server.Session) {
	conn := session.Conn()
	left, err := names(ctx, conn, `
		SELECT datname FROM pg_catalog.pg_database d
		WHERE datname ~ '^plakar_restore_(old_)?[A-Z2-7]{26}$' AND pg_catalog.pg_has_role(datdba, 'USAGE') AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datid = d.oid)
			AND NOT EXISTS `+strings.ReplaceAll(lockHolders+lockKey, "$1", "datname")+`)
			AND (pg_catalog.shobj_description(oid, 'pg_database') ~ ('^plakar: (incomplete|replaced), for database OID ' || $1 || ':')
				OR pg_catalog.shobj_description(oid, 'pg_database') IS NULL AND NOT datallowconn)`, fmt.Sprint(r.old.oid))
	for _, name := range left {
		err = errors.Join(err, dropDatabase(ctx, r.server, conn, name))
	}
	if err != nil {
		slog.Warn("dropping what an earlier restore left behind: " + err.Error())
	}
}

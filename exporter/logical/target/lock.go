package target

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// A restore that is at work on a new database holds two locks, in a session that lasts as long: of that
// database's name, so that no other one takes it for a leftover, and of the one that it
// replaces. Advisory locks belong to the database of the session, and restores may create databases through different ones: so
// these are shared ones, which never wait, and pg_locks, which has those of all databases,
// tells whether somebody else holds one.

// lockKey is the key of the lock for a name.
const lockKey = "pg_catalog.hashtextextended($1, 1886152041)"

// lockHolders are the processes that hold the lock for a name.
// Source: pg_advisory_lock_shared_int8 in src/backend/utils/adt/lockfuncs.c
const lockHolders = "(SELECT pid FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::pg_catalog.int8 << 32) | objid::pg_catalog.int8 = "

// acquire takes both locks.
func (r *Replacement) acquire(ctx context.Context) (err error) {
	if r.lock, err = r.server.Info.Connect(ctx, r.server.Database); err != nil {
		return err
	}
	for _, name := range []string{r.name, r.oldLock()} {
		if _, err := r.lock.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock_shared("+lockKey+")", name); err != nil {
			return fmt.Errorf("taking a lock: %w", err)
		}
	}
	return nil
}

// oldLock is the name of the lock of the old database.
func (r *Replacement) oldLock() string { return fmt.Sprintf("replacing database OID %d", r.old.oid) }

// checkAlone looks for another restore that replaces the same database. Of two that begin at once both may find the other.
func (r *Replacement) checkAlone(ctx context.Context) (problems []string, err error) {
	err = patiently(ctx, func() (bool, error) {
		rows, _ := r.lock.Query(ctx, lockHolders+lockKey+" AND pid <> pg_catalog.pg_backend_pid())", r.oldLock())
		others, err := pgx.CollectRows(rows, pgx.RowTo[int])
		problems = nil
		if len(others) > 0 {
			problems = []string{fmt.Sprintf("another restore is replacing it: process %d on the server\nhint: wait until that has ended; if it has, and the server has not noticed: SELECT pg_terminate_backend(%d)", others[0], others[0])}
		}
		return len(others) == 0, err
	})
	return problems, err
}

// release ends the session that holds the lock.
func (r *Replacement) release(ctx context.Context) error {
	if r.lock == nil {
		return nil
	}
	ctx, cancel := shutdown.CleanupContext(ctx)
	defer cancel()
	err := r.lock.Close(ctx)
	r.lock = nil
	return err
}

// Abandon is for a restore that ends without a word of the new database: it stays, and the
// next restore may drop it.
func (r *Replacement) Abandon(ctx context.Context) {
	if r != nil {
		_ = r.release(ctx)
	}
}

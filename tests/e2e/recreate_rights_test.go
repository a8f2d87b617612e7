//go:build linux

package e2e

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A role that is no superuser hears all that is in its way at once: what it may not do, and what only
// CREATE DATABASE tells.
func TestRecreateRights(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	r.server.Exec(t, "postgres", "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'makes'; CREATE ROLE clerk LOGIN PASSWORD 'clerk'; ALTER DATABASE shop OWNER TO maker")
	r.server.Exec(t, "shop", "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
	clerk, err := pgx.Connect(t.Context(), r.server.URLFor("clerk", "clerk", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	root := r.server.Connect(t, "shop")
	snapshot := r.plakar.Snapshots()[0]
	r.plakar.DestinationAdd("maker", r.server.URLFor("maker", "makes", ""), r.server.BinDirOption(), "recreate=true", "no_globals=true")
	failed(t, r.plakar.Restore("@maker", snapshot, "-o", "locale=nowhere", "-o", "force=true"), "2 other sessions", `those of "clerk", "`,
		`subscriptions that this role may neither disable nor drop: "sub"`, "creating it anew", "hint: where the server lacks the locale", "left as it is")
	r.untouched(t)
	query(t, r.server, "postgres", ours, "0")

	_ = root.Close(t.Context())
	r.server.Exec(t, "shop", "ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
	r.server.Exec(t, "shop", "DROP SUBSCRIPTION sub")
	r.server.Exec(t, "postgres", "GRANT pg_signal_backend TO maker")
	failed(t, r.plakar.Restore("@maker", snapshot), "1 other session", "let force=true end them", "creating it anew", "no_owner=true")
	r.untouched(t)
	r.plakar.MustRestore("@maker", snapshot, "-o", "force=true", "-o", "no_owner=true", "-o", "jobs=2")
	query(t, r.server, "shop", countT, "0")
	query(t, r.server, "postgres", ours, "0")
	_ = clerk.Close(t.Context())
}

// A database that has got the name while the restore ran is left alone, and two restores of the same
// database know each other, whichever database they create others through.
func TestRecreateRenamed(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	r.server.Exec(t, "postgres", "CREATE DATABASE theirs")
	r.server.Exec(t, "theirs", "CREATE TABLE t AS SELECT g AS x FROM generate_series(1, 5) g")
	conn := r.server.Connect(t, "postgres")
	if _, err := conn.Exec(t.Context(), "BEGIN; ALTER DATABASE shop RENAME TO shop_mine; ALTER DATABASE theirs RENAME TO shop"); err != nil {
		t.Fatal(err)
	}
	snapshot := r.plakar.Snapshots()[0]
	run := r.plakar.Start("restore", "-to", "@dst", snapshot)
	r.waits(t)

	r.server.Exec(t, "template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS false")
	failed(t, r.plakar.Restore("@dst", snapshot), "another restore is replacing it: process ", "left as it is")
	r.server.Exec(t, "template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS true")
	query(t, r.server, "postgres", ours, "1")

	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	failed(t, run.Wait(), "is another one than when the restore began", "to exchange them by hand")
	query(t, r.server, "shop", countT, "5")
	query(t, r.server, "shop_mine", countT, "1")
	query(t, r.server, "postgres", marks, "complete")
}

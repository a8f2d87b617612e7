//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// The publisher of a subscription in the old database hears nothing, and a table in its first copy,
// which has no end in sight, does not keep the database from being replaced.
func TestRecreateSubscribed(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	publisher := harness.Start(t, harness.Conf("wal_level = logical"))
	publisher.Exec(t, "postgres", "CREATE TABLE t (x int); CREATE PUBLICATION p FOR TABLE t")
	snapshot := r.plakar.Snapshots()[0]
	const enabled = "SELECT coalesce(string_agg(regexp_replace(datname, 'before_.*', 'before') || ' ' || subenabled, ','), '') FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"
	left := map[string]string{"true": "", "keep": "shop_before false"}
	for _, mode := range []string{"true", "keep"} {
		publisher.Exec(t, "postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
		conn := publisher.Connect(t, "postgres")
		r.server.Exec(t, "shop", "CREATE SUBSCRIPTION sub CONNECTION "+harness.Literal(publisher.URL("postgres"))+" PUBLICATION p WITH (enabled = false)")
		if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
		r.server.Exec(t, "shop", "ALTER SUBSCRIPTION sub ENABLE")
		eventually(t, "the copy waits", func() bool {
			return publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'walsender'") == "1"
		})
		result := r.plakar.Restore("@dst", snapshot, "-o", "recreate="+mode)
		ok(t, result)
		if said := strings.Contains(result.Output(), "_sync_"); said != (mode == "true") {
			t.Errorf("recreate=%s: is the slot of the copy named? %t\n%s", mode, said, result.Output())
		}
		_ = conn.Close(t.Context())
		query(t, r.server, "shop", countT, "0")
		query(t, r.server, "postgres", ours, "0")
		query(t, publisher, "postgres", "SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'sub'", "sub")
		eventually(t, "nobody reads the slots", func() bool {
			return publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_replication_slots WHERE active") == "0"
		})
		query(t, r.server, "postgres", enabled, left[mode])
	}
}

// A kept database keeps its logical slots. Who reads one is in its way.
func TestRecreateKeptSlot(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	publisher, p := harness.Start(t, harness.Conf("wal_level = logical")), harness.NewPlakar(t)
	publisher.Exec(t, "postgres", "CREATE DATABASE shop")
	publisher.Exec(t, "shop", "CREATE TABLE t (x int); CREATE PUBLICATION p FOR TABLE t")
	p.SourceAdd("mypg", publisher.URL("shop"), publisher.BinDirOption())
	p.DestinationAdd("dst", publisher.URL(""), publisher.BinDirOption(), "recreate=keep", "no_globals=true")
	snapshot := p.MustBackup("@mypg")
	subscriber := harness.Start(t)
	subscriber.Exec(t, "postgres", "CREATE TABLE t (x int)")
	subscriber.Exec(t, "postgres", "CREATE SUBSCRIPTION sub CONNECTION "+harness.Literal(publisher.URL("shop"))+" PUBLICATION p WITH (copy_data = false)")
	eventually(t, "the subscriber reads", func() bool {
		return publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_replication_slots WHERE active") == "1"
	})
	failed(t, p.Restore("@dst", snapshot), "being accessed by other users: 1 other session", "left as it is")
	subscriber.Exec(t, "postgres", "ALTER SUBSCRIPTION sub DISABLE")
	eventually(t, "the subscriber has ended", func() bool {
		return publisher.QueryText(t, "postgres", "SELECT count(*) FROM pg_replication_slots WHERE active") == "0"
	})
	result := p.Restore("@dst", snapshot)
	ok(t, result)
	if !strings.Contains(result.Output(), "its logical replication slots") {
		t.Errorf("no word of the slot:\n%s", result.Output())
	}
	query(t, publisher, "postgres", "SELECT database LIKE 'shop_before_%' FROM pg_replication_slots", "t")
}

// recreate=first that has dropped the subscriptions of the old database, but cannot drop that: it is put back,
// and the message has what makes them again.
func TestRecreateFirstSubscribed(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t)
	r.server.Exec(t, "shop", "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid password=hidden' PUBLICATION p, \"q r\" WITH (connect = false)")
	exec := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	locks, holds := r.server.Connect(t, "postgres"), r.server.Connect(t, "postgres")
	exec(locks, "BEGIN; LOCK TABLE pg_subscription IN SHARE MODE")
	run := r.plakar.Start("restore", "-to", "@dst", "-o", "recreate=first", r.plakar.Snapshots()[0])
	r.until(t, "the subscription is being dropped", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^ALTER SUBSCRIPTION'", "1")
	away := pgx.Identifier{r.server.QueryText(t, "postgres", "SELECT datname FROM pg_database WHERE datname ~ '^plakar_restore_old_'")}.Sanitize()
	exec(holds, "BEGIN; COMMENT ON DATABASE "+away+" IS 'held'")
	_ = locks.Close(t.Context())
	r.waits(t)
	r.server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plakar' AND query ~ '^DROP DATABASE'")
	_ = holds.Close(t.Context())
	result, ended := run.WaitFor(3 * time.Minute)
	if !ended {
		t.Fatalf("plakar hangs\n%s", result.Output())
	}
	failed(t, result, "recreate", `CREATE SUBSCRIPTION "sub" CONNECTION '...' PUBLICATION "p", "q r" WITH (connect = false, slot_name = 'sub')`, "copy_data = false")
	if strings.Contains(result.Output(), "hidden") {
		t.Errorf("a secret is in\n%s", result.Output())
	}
	r.untouched(t)
	query(t, r.server, "postgres", ours, "0")
}

// A new database that was left incomplete, with the subscription of the dump, is dropped like any other, and nobody
// is told to drop the slot, which is that of the subscriber that was saved.
func TestRecreateIncompleteSubscribed(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_dump of later versions writes parameters of subscriptions that older servers do not know")
	r := newReplaced(t)
	r.server.Exec(t, "shop", "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
	good := r.plakar.MustBackup("@mypg")
	// A row that does not fit a check which claims to have been made.
	r.server.Exec(t, "shop", "ALTER TABLE t ADD CONSTRAINT never CHECK (x > 100) NOT VALID; UPDATE pg_constraint SET convalidated = true WHERE conname = 'never'")
	bad := r.plakar.MustBackup("@mypg")
	const subscribed = "SELECT string_agg(regexp_replace(datname, '^plakar_restore_[A-Z2-7]+$', 'new'), ',' ORDER BY datname) FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"
	failed(t, r.plakar.Restore("@dst", bad, "-o", "recreate=keep"), "never")
	query(t, r.server, "postgres", subscribed, "new,shop")
	result := r.plakar.Restore("@dst", good, "-o", "recreate=keep")
	ok(t, result)
	if out := result.Output(); strings.Contains(out, "left behind") || strings.Contains(out, "publisher's knowledge") {
		t.Errorf("it was not dropped in silence:\n%s", out)
	}
	query(t, r.server, "postgres", ours, "0")
	query(t, r.server, "postgres", "SELECT count(*) FROM pg_subscription", "2")
}

// What was killed when it had disabled the subscriptions of the old database is made good by the next restore, whatever
// becomes of that.
func TestRecreateKilledSubscribed(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	for _, mode := range []string{"true", "first"} {
		r := newReplaced(t)
		r.server.Exec(t, "shop", `CREATE SUBSCRIPTION "my ""süb" CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false, slot_name = 'sub')`)
		r.server.Exec(t, "shop", `ALTER SUBSCRIPTION "my ""süb" ENABLE`)
		// One that its owner wants to be disabled.
		r.server.Exec(t, "shop", "CREATE SUBSCRIPTION resting CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
		const enabled = "SELECT coalesce(string_agg(subname, ','), '') FROM pg_subscription WHERE subenabled"
		release := r.hold(t)
		run := r.plakar.Start("restore", "-to", "@dst", "-o", "recreate="+mode, r.plakar.Snapshots()[0])
		r.waits(t)
		query(t, r.server, "postgres", enabled, "")
		r.kill(t, run)
		release()
		r.untouched(t)
		inUse := r.server.Connect(t, "shop")
		result := r.plakar.Restore("@dst", r.plakar.Snapshots()[0])
		failed(t, result, "being accessed by other users")
		if !strings.Contains(result.Output(), "they were enabled again") {
			t.Errorf("recreate=%s: no word of the subscription:\n%s", mode, result.Output())
		}
		query(t, r.server, "postgres", enabled, `my "süb`)
		query(t, r.server, "postgres", "SELECT count(*) FROM pg_database WHERE shobj_description(oid, 'pg_database') ~ 'disabled'", "0")
		_ = inUse.Close(t.Context())
		// Only once: who disables it now is left alone.
		r.server.Exec(t, "shop", `ALTER SUBSCRIPTION "my ""süb" DISABLE`)
		result = r.plakar.Restore("@dst", r.plakar.Snapshots()[0])
		ok(t, result)
		if strings.Contains(result.Output(), "they were enabled again") {
			t.Errorf("recreate=%s: enabled once more:\n%s", mode, result.Output())
		}
		query(t, r.server, "shop", countT, "0")
	}
}

// Logical slots are there as long as the old database is. Who is killed when the new one is in place leaves the old one
// under a name of ours: the next restore drops it with its subscriptions, of which no publisher hears.
func TestRecreateKilledInDrop(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "our own session replaces the database, not a tool")
	r := newReplaced(t, harness.Conf("wal_level = logical"))
	r.server.Exec(t, "shop", "SELECT pg_create_logical_replication_slot('changes', 'test_decoding')")
	r.server.Exec(t, "shop", "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)")
	const (
		inOld = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE datoid = %[1]s), (SELECT count(*) FROM pg_subscription WHERE subdbid = %[1]s)"
		waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^ALTER SUBSCRIPTION'"
	)
	old := r.server.QueryText(t, "postgres", "SELECT oid FROM pg_database WHERE datname = 'shop'")
	start := func() *harness.Process {
		return r.plakar.Start("restore", "-to", "@dst", "-o", "force=true", r.plakar.Snapshots()[0])
	}

	release := r.hold(t)
	run := start()
	r.waits(t)
	r.kill(t, run)
	release()
	r.untouched(t)
	query(t, r.server, "postgres", fmt.Sprintf(inOld, old), "1|1")

	lock := r.server.Connect(t, "postgres")
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE pg_subscription IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	run = start()
	r.until(t, "the subscription is being dropped", waits, "1")
	r.kill(t, run)
	_ = lock.Close(t.Context())
	query(t, r.server, "shop", countT, "0")
	query(t, r.server, "postgres", "SELECT shobj_description(oid, 'pg_database') ~ '^plakar: replaced' FROM pg_database WHERE oid = "+old, "t")
	query(t, r.server, "postgres", fmt.Sprintf(inOld, old), "1|1")

	result := r.plakar.Restore("@dst", r.plakar.Snapshots()[0])
	ok(t, result)
	if out := result.Output(); strings.Contains(out, "left behind") {
		t.Errorf("it was not dropped in silence:\n%s", out)
	}
	query(t, r.server, "postgres", "SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_subscription)", "0|0")
	query(t, r.server, "postgres", marks, "complete") // of the first restore
}

package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A restore never talks to a publisher: the slots of the subscriber that was saved stay,
// also that of a table in its first copy.
func TestCleanSubscription(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_dump of later versions writes parameters of subscriptions that older servers do not know")
	publisher := harness.Start(t, harness.Conf("wal_level = logical"))
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	const tables = "CREATE TABLE t (x int PRIMARY KEY); CREATE TABLE stuck (x int PRIMARY KEY)"
	publisher.Exec(t, "postgres", tables+"; INSERT INTO t VALUES (1); INSERT INTO stuck VALUES (1); CREATE PUBLICATION all_of_it FOR ALL TABLES")
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", tables+"; INSERT INTO stuck VALUES (1)") // the copy cannot succeed
	connection := harness.Literal(publisher.URL("postgres"))
	s.server.Exec(t, "first", "CREATE SUBSCRIPTION sub CONNECTION "+connection+" PUBLICATION all_of_it")
	const slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'sub'"
	eventually(t, "a first copy", func() bool {
		return s.server.QueryText(t, "first", "SELECT string_agg(srsubstate::text, '' ORDER BY srrelid::regclass::text) FROM pg_subscription_rel") == "dr"
	})
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=1B", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		ok(t, restore("", "schema_only=true"))
		query(t, publisher, "postgres", slots, "1")
		clean := []string{"clean=true", "schema_only=true"}
		if layout == "tables" {
			dst.Exec(t, "first", "DROP TABLE t, stuck")
		}
		ok(t, restore("", clean...))
		query(t, publisher, "postgres", slots, "1")
		query(t, dst, "first", "SELECT subname, subenabled, subslotname FROM pg_subscription", "sub|f|sub")

		if layout == "tables" {
			continue // clean is refused where there are tables
		}
		// One that is at work, with a table in its first copy.
		own := "own_" + layout
		dst.Exec(t, "first", "ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
		dst.Exec(t, "first", "DROP SUBSCRIPTION sub")
		dst.Exec(t, "first", "INSERT INTO stuck VALUES (1)")
		dst.Exec(t, "first", "CREATE SUBSCRIPTION sub CONNECTION "+connection+" PUBLICATION all_of_it WITH (slot_name = '"+own+"')")
		eventually(t, "a first copy", func() bool {
			return dst.QueryText(t, "first", "SELECT string_agg(srsubstate::text, '' ORDER BY srrelid::regclass::text) FROM pg_subscription_rel") == "dr"
		})
		ok(t, restore("", clean...))
		query(t, publisher, "postgres", "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+own+"'", "1")
		query(t, publisher, "postgres", slots, "1")
	}
}

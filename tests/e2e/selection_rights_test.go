package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Roles that are no superusers restore a selection: the owner of the database, and one that may
// create objects in one schema only.
func TestRestoreSelectionRights(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "what the server says of an owner has changed with version 16")
	for layout, options := range map[string][]string{"single": nil, "tables": inParts} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			s := newSelectable(t, options...)
			server := s.server
			server.Exec(t, "postgres", "CREATE ROLE maker LOGIN PASSWORD 'makes'; CREATE ROLE loader LOGIN PASSWORD 'loads'")
			server.Exec(t, "postgres", "CREATE DATABASE mine OWNER maker")
			server.Exec(t, "mine", "CREATE TABLE there (x int)")
			server.Exec(t, "postgres", "CREATE DATABASE theirs")
			server.Exec(t, "theirs", "CREATE TABLE there (x int); GRANT CREATE ON SCHEMA public TO loader")
			s.plakar.DestinationAdd("maker", server.URLFor("maker", "makes", "mine"), server.BinDirOption())
			s.plakar.DestinationAdd("loader", server.URLFor("loader", "loads", "theirs"), server.BinDirOption(), "no_owner=true")
			restore := func(as string, options ...string) harness.Result {
				t.Helper()
				return s.plakar.Restore("@"+as, s.snapshot, flags(append(options, "databases=shop"))...)
			}

			// The rows of a table that nobody else had are there, whoever owns it.
			failed(t, restore("maker", "tables=orders"), `"postgres"; Command was: ALTER TABLE public.orders OWNER`, "hint: what could not be given to its owner", "no_owner=true")
			query(t, server, "mine", whatBelongs, "100 by_note,orders_pkey stamp seen ordered t f together 101 orders_pkey")
			ok(t, restore("maker", "tables=app.plain,customer", "no_owner=true"))
			query(t, server, "mine", "SELECT note, tableowner, (SELECT count(*) FROM customer) FROM app.plain, pg_tables WHERE tablename = 'plain'", "kept|maker|1")
			server.Exec(t, "mine", "DELETE FROM app.plain")
			ok(t, restore("maker", "tables=app.plain", "data_only=true"))
			query(t, server, "mine", "SELECT note, nextval('app.plain_id_seq') FROM app.plain", "kept|2")
			server.Exec(t, "mine", "DROP SCHEMA app CASCADE")
			ok(t, restore("maker", "schemas=app", "no_owner=true", "no_privileges=true"))
			query(t, server, "mine", "SELECT (SELECT count(*) FROM app.ours) + (SELECT count(*) FROM app.sale2), count(*) FROM pg_constraint WHERE conname = 'of_ours'", "2|1")

			ok(t, restore("loader", "tables=orders"))
			query(t, server, "theirs", whatBelongs, "100 by_note,orders_pkey stamp seen ordered t f together 101 orders_pkey")
			server.Exec(t, "theirs", "DELETE FROM orders")
			ok(t, restore("loader", "tables=orders", "data_only=true"))
			query(t, server, "theirs", "SELECT count(*), max(note) FROM orders", "100|n")
			failed(t, restore("loader", "tables=app.plain"), "permission denied for database theirs")
			query(t, server, "theirs", "SELECT to_regnamespace('app') IS NULL", "t")
			if err := s.plakar.LeftBehind(); err != nil {
				t.Error(err)
			}
		})
	}
}

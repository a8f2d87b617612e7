package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// hasPublic asks whether a database has the schema public, and the extension plpgsql.
const hasPublic = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'public') || ' ' || (SELECT count(*) FROM pg_extension WHERE extname = 'plpgsql')"

// A schema public that was dropped, and an extension plpgsql, is gone from a database that the restore creates, and
// stays in one that it only fills.
func TestPublicSchemaDropped(t *testing.T) {
	t.Parallel()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	for _, db := range []string{"first", "with it"} {
		s.server.Exec(t, "postgres", "CREATE DATABASE "+harness.Ident(db))
	}
	s.server.Exec(t, "first", "CREATE SCHEMA app; CREATE TABLE app.t (x int); INSERT INTO app.t VALUES (1); DROP SCHEMA public; DROP EXTENSION plpgsql")
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL(""), "layout="+layout, "table_size=1B", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		ok(t, restore(""))
		query(t, dst, "first", hasPublic, "0 0")
		query(t, dst, "first", "SELECT count(*) FROM app.t", "1")
		query(t, dst, "with it", hasPublic, "1 1")
		ok(t, restore("", "recreate=true", "jobs=2"))
		query(t, dst, "first", hasPublic, "0 0")
		ok(t, restore("", "databases=first", "database=other"))
		query(t, dst, "other", hasPublic, "0 0")

		// Who may not drop the extension is told.
		dst.Exec(t, "postgres", "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'maker'")
		s.plakar.DestinationAdd("maker-"+layout, dst.URLFor("maker", "maker", ""), dst.BinDirOption())
		result := s.plakar.Restore("@maker-"+layout, s.snapshot, flags([]string{"databases=first", "database=made", "no_owner=true"})...)
		ok(t, result)
		query(t, dst, "made", hasPublic, "0 1")
		if !strings.Contains(result.Output(), "only a superuser may drop it") {
			t.Errorf("%s: no warning:\n%s", layout, result.Output())
		}

		dst.Exec(t, "postgres", "CREATE DATABASE existing")
		ok(t, restore("", "databases=first", "database=existing"))
		query(t, dst, "existing", hasPublic, "1 1")
	}
}

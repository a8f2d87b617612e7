package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// hasPublic asks whether a database has the schema public.
const hasPublic = "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'"

// A schema public that was dropped is gone from a database that the restore creates, and
// stays in one that it only fills.
func TestPublicSchemaDropped(t *testing.T) {
	t.Parallel()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	for _, db := range []string{"first", "with it"} {
		s.server.Exec(t, "postgres", "CREATE DATABASE "+harness.Ident(db))
	}
	s.server.Exec(t, "first", "CREATE SCHEMA app; CREATE TABLE app.t (x int); INSERT INTO app.t VALUES (1); DROP SCHEMA public")
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL(""), "layout="+layout, s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		ok(t, restore(""))
		query(t, dst, "first", hasPublic, "0")
		query(t, dst, "first", "SELECT count(*) FROM app.t", "1")
		query(t, dst, "with it", hasPublic, "1")
		ok(t, restore("", "recreate=true", "jobs=2"))
		query(t, dst, "first", hasPublic, "0")
		ok(t, restore("", "databases=first", "database=other"))
		query(t, dst, "other", hasPublic, "0")

		dst.Exec(t, "postgres", "CREATE DATABASE existing")
		ok(t, restore("", "databases=first", "database=existing"))
		query(t, dst, "existing", hasPublic, "1")
	}
}

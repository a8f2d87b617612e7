package e2e

import (
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Thousands of tables are read in a reasonable time, and locked all at once.
func TestCheckManyTables(t *testing.T) {
	t.Parallel()
	harness.LongOnly(t, "TestCheckPhysical and TestCheckLogical check fewer tables")
	harness.OwnToolsOnly(t, "the server's own programs are used")
	const tables = 4000
	src := harness.Start(t, harness.Conf("max_locks_per_transaction = 1024", "fsync = off"))
	src.Exec(t, "postgres", `DO $$ BEGIN FOR i IN 1..4000 LOOP
		EXECUTE format('CREATE TABLE t%s (a int PRIMARY KEY, b text)', i); EXECUTE format('INSERT INTO t%s VALUES (1, %L), (2, NULL)', i, i);
		END LOOP; END $$`)
	p := physical(t, src)
	p.SourceAdd("log", src.URL(""), src.BinDirOption())
	c := newProof(t, p, src)
	for _, source := range []string{"@phys", "@log"} {
		snapshot := p.MustBackup(source)
		began := time.Now()
		r := c.passes(snapshot)
		t.Logf("%s: %s, %+v", source, time.Since(began), r.Steps)
		for _, d := range r.Databases {
			if d.Name == "postgres" && (len(d.Tables) != tables || d.Rows != 2*tables) {
				t.Errorf("%s: %d rows in %d tables", source, d.Rows, len(d.Tables))
			}
		}
	}
}

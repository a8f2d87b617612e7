package e2e

import (
	"fmt"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A role whose statements may take five milliseconds saves and restores thousands of tables, whose
// catalogues alone take longer to read.
func TestImpatientRoleManyTables(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	tables := harness.Count(600, 3000)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", fmt.Sprintf(`DO $$BEGIN FOR n IN 1..%d LOOP EXECUTE format('CREATE TABLE t%%s (x int)', n); END LOOP; END$$; INSERT INTO t1 VALUES (1)`, tables))
	for _, s := range []*harness.Server{src, dst} {
		s.Exec(t, "postgres", "CREATE ROLE backup SUPERUSER LOGIN PASSWORD 'backup'; ALTER ROLE backup SET statement_timeout = '5ms'; ALTER ROLE backup SET lock_timeout = '1ms'")
	}
	dst.Exec(t, "postgres", "CREATE DATABASE shop")
	p := harness.NewPlakar(t)
	p.DestinationAdd("dst", dst.URLFor("backup", "backup", ""), dst.BinDirOption())
	for layout, options := range map[string]string{"single": "clean=true", "tables": "recreate=true"} {
		p.SourceAdd(layout, src.URLFor("backup", "backup", "shop"), src.BinDirOption(), "layout="+layout, "table_size=1B")
		snapshot := p.MustBackup("@" + layout)
		ok(t, p.Restore("@dst", snapshot, "-o", options))
		query(t, dst, "shop", "SELECT count(*), (SELECT count(*) FROM t1) FROM pg_tables WHERE schemaname = 'public'", fmt.Sprintf("%d|1", tables))
	}
}

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A standby exports snapshots and takes these locks as well; what is unlogged has no
// rows there. The role is no superuser.
func TestLayoutStandby(t *testing.T) {
	t.Parallel()
	primary := harness.Start(t, harness.Conf("full_page_writes = on"))
	primary.Exec(t, "postgres", "CREATE DATABASE first")
	primary.Exec(t, "first", shop+"; CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS x")
	primary.Exec(t, "first", `DO $$ DECLARE l oid; BEGIN CREATE ROLE saver LOGIN PASSWORD 'saves' BYPASSRLS;
		FOR l IN SELECT oid FROM pg_largeobject_metadata LOOP EXECUTE 'GRANT SELECT ON LARGE OBJECT ' || l || ' TO saver'; END LOOP; END $$;
		GRANT pg_read_all_data TO saver`)
	p := physical(t, primary)
	dataDir := restored(t, p, primary, p.MustBackup("@phys"))
	if err := os.WriteFile(filepath.Join(dataDir, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	standby := harness.Adopt(t, dataDir, harness.Conf("primary_conninfo = '"+
		strings.ReplaceAll(primary.URL("postgres"), "'", "''")+"'"))
	eventually(t, "the standby to follow", func() bool {
		return standby.QueryText(t, "postgres", "SELECT pg_is_in_recovery()") == "t"
	})
	p.SourceAdd("standby", standby.URLFor("saver", "saves", "first"), append(inParts, standby.BinDirOption())...)
	snapshot := p.MustBackup("@standby")
	dst := harness.Start(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	p.MustRestore("@dst", snapshot)
	query(t, dst, "first", "SELECT count(*) FROM fleeting", "0")
	dst.Exec(t, "first", "INSERT INTO fleeting VALUES (1)")
	harness.CompareDatabase(t, primary, dst, "first", "first")
}

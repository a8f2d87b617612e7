package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A snapshot may come from elsewhere: nothing in it is a command to the machine that
// restores it.
func TestCommandsInSnapshots(t *testing.T) {
	t.Parallel()
	s := harness.Start(t)
	short, err := os.MkdirTemp("/tmp", "c") // for the length of a name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	canary := filepath.Join(short, "x")
	const padding = 300
	s.Exec(t, "postgres", "CREATE DATABASE shop")
	s.Exec(t, "postgres", "COMMENT ON DATABASE shop IS '"+strings.Repeat("p", padding)+"'")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", s.URL("shop"), s.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	globals, dump := string(p.Cat(snapshot, "/00000-globals.sql")), string(p.Cat(snapshot, "/00001-shop.dump"))
	p.DestinationAdd("dst", s.URL(""), s.BinDirOption(), "recreate=true")

	restore := func(globals, dump string) harness.Result {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "00000-globals.sql"), globals)
		write(t, filepath.Join(dir, "00001-shop.dump"), dump)
		return p.Restore("@dst", p.MustBackup(dir)+":"+dir)
	}
	untouched := func() {
		t.Helper()
		if _, err := os.Stat(canary); err == nil {
			t.Error("a command ran")
			_ = os.Remove(canary)
		}
	}
	// As pg_dumpall wrote it before August 2025 (CVE-2025-8714, CVE-2025-8715): nothing of it
	// is run, not even what is in front.
	name := "x\n\\! touch " + canary + " #"
	failed(t, restore("CREATE ROLE first;\n"+globals+"\n--\n-- User Config \""+name+"\"\n--\n\nCREATE ROLE z;\n", dump), "globals", "nothing of them was restored", "line ", "a command to psql")
	untouched()
	query(t, s, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname IN ('first', 'z')", "0")
	failed(t, restore(globals+"\nALTER ROLE z\n\\! touch "+canary+"\nLOGIN;\nCREATE ROLE last;\n", dump), "globals", "not what pg_dumpall writes", "a command to psql")
	untouched()
	query(t, s, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'last'", "0")

	// As it writes it since: the name is one, and only a name.
	ok(t, restore(globals+"\n\\restrict x\nCREATE ROLE "+harness.Ident(name)+";\nCREATE ROLE z;\n\\unrestrict x\n", dump))
	untouched()
	query(t, s, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname IN ('z', "+harness.Literal(name)+")", "2")

	failed(t, restore(globals+"\nALTER ROLE z \\! touch "+canary+"\nLOGIN;\nCREATE ROLE last;\n", dump), "globals", "ALTER ROLE z", "42601")
	untouched()
	query(t, s, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'last'", "1")

	for comment, says := range map[string]string{
		"a' \\! touch " + canary + " 'b":   "42601", // a statement that is none
		"a'\n\\! touch " + canary + "\n'b": "a command to psql",
	} {
		comment += strings.Repeat(" ", padding-len(comment))
		failed(t, restore(globals, strings.Replace(dump, strings.Repeat("p", padding)+"'", comment+"'", 1)), "shop", says)
		untouched()
	}
}

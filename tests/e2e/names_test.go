package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// canaries are names that leave a file in dir when psql or a shell takes them for more
// than names. That they would is checked.
func canaries(t *testing.T, dir string) []string {
	t.Helper()
	script, shell := "x\n\\! touch "+dir+"/a\n", "`touch "+dir+"/b`$(touch "+dir+"/c)"
	harness.Start(t).Psql(t, "postgres", "-- "+script)
	if out, err := exec.Command("sh", "-c", "echo "+shell).CombinedOutput(); err != nil { //nolint:gosec // on purpose
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatalf("a canary does not sing: %v", err)
		}
	}
	return []string{script, shell}
}

// TestHostileNames takes names that are code to something between two servers
// through psql and pg_restore: of roles, tablespaces, schemas, tables, and of the
// role that restores.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	src, dst := harness.Start(t), harness.Start(t)
	nest, err := os.MkdirTemp("/tmp", "h") // short, whatever TMPDIR is: it is in names of at most 63 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(nest) })
	singing := canaries(t, nest)
	files := append([]string{"slash/../inside", "..", "-leading-dash"}, singing...)
	names := slices.Concat(harness.AwkwardNames, singing)
	harness.SeedNames(t, src, files...)
	src.Exec(t, "postgres", "CREATE DATABASE hostile")
	for i, name := range names {
		id := harness.Ident(name)
		for _, s := range []*harness.Server{src, dst} {
			s.Exec(t, "postgres", "CREATE TABLESPACE "+id+" LOCATION "+harness.Literal(s.Dir(t, fmt.Sprintf("t%d", i))))
		}
		src.Exec(t, "postgres", "CREATE ROLE "+id)
		if i > 0 {
			src.Exec(t, "postgres", fmt.Sprintf("GRANT %s TO %s", harness.Ident(names[i-1]), id))
		}
		src.Exec(t, "postgres", fmt.Sprintf("ALTER ROLE %s SET application_name TO %s; COMMENT ON ROLE %s IS %s",
			id, harness.Literal(name), id, harness.Literal(name)))
		src.Exec(t, "hostile", fmt.Sprintf(`CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.%[1]s (%[1]s text) TABLESPACE %[1]s;
			INSERT INTO %[1]s.%[1]s VALUES (%[2]s); ALTER TABLE %[1]s.%[1]s OWNER TO %[1]s; COMMENT ON TABLE %[1]s.%[1]s IS %[2]s`,
			id, harness.Literal(name)))
		if i > 0 {
			src.Exec(t, "hostile", fmt.Sprintf("GRANT SELECT ON %s.%s TO %s", id, id, harness.Ident(names[i-1])))
		}
	}
	const restorer = `dou"ble'; \connect x`
	for _, s := range []*harness.Server{src, dst} {
		s.Exec(t, "postgres", "CREATE ROLE "+harness.Ident(restorer)+" SUPERUSER LOGIN PASSWORD 'mine'")
	}
	src.Exec(t, "postgres", "ALTER ROLE "+harness.Ident(restorer)+" PASSWORD 'not mine' NOLOGIN")

	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URLFor(restorer, "mine", ""), dst.BinDirOption(), "recreate=true")
	snapshot := p.MustBackup("@mypg")
	for _, path := range p.Ls(snapshot) {
		if strings.Count(path, "/") != 1 || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' }) {
			t.Errorf("a path in the snapshot: %q", path)
		}
	}
	p.MustRestore("@dst", snapshot)
	for _, db := range append(files, "hostile") {
		harness.CompareDatabase(t, src, dst, db, db)
	}
	const members = "SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE roleid >= 16384 ORDER BY roleid::regrole::text COLLATE \"C\", member::regrole::text COLLATE \"C\""
	const roles = "SELECT rolname, rolconfig, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE oid >= 16384 ORDER BY rolname"
	for _, sql := range []string{members, roles} {
		query(t, dst, "postgres", sql, strings.TrimSpace(src.QueryText(t, "postgres", sql)))
	}
	if sung, err := os.ReadDir(nest); err != nil || len(sung) > 0 {
		t.Errorf("names were run: %v, %v", sung, err)
	}
}

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// TestHostileNames takes names that are code to something between two servers
// through psql and pg_restore: of roles, tablespaces, schemas, tables, and of the
// role that restores.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	src, dst := harness.Start(t), harness.Start(t)
	files := []string{"slash/../inside", "..", "-leading-dash", "new\nline\\! touch /tmp/hostile"}
	harness.SeedNames(t, src, files...)
	src.Exec(t, "postgres", "CREATE DATABASE hostile")
	for i, name := range harness.AwkwardNames {
		id := harness.Ident(name)
		for _, s := range []*harness.Server{src, dst} {
			s.Exec(t, "postgres", "CREATE TABLESPACE "+id+" LOCATION "+harness.Literal(s.Dir(t, fmt.Sprintf("t%d", i))))
		}
		src.Exec(t, "postgres", "CREATE ROLE "+id)
		if i > 0 {
			src.Exec(t, "postgres", fmt.Sprintf("GRANT %s TO %s", harness.Ident(harness.AwkwardNames[i-1]), id))
		}
		src.Exec(t, "postgres", fmt.Sprintf("ALTER ROLE %s SET application_name TO %s; COMMENT ON ROLE %s IS %s",
			id, harness.Literal(name), id, harness.Literal(name)))
		src.Exec(t, "hostile", fmt.Sprintf(`CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.%[1]s (%[1]s text) TABLESPACE %[1]s;
			INSERT INTO %[1]s.%[1]s VALUES (%[2]s); ALTER TABLE %[1]s.%[1]s OWNER TO %[1]s; COMMENT ON TABLE %[1]s.%[1]s IS %[2]s`,
			id, harness.Literal(name)))
		if i > 0 {
			src.Exec(t, "hostile", fmt.Sprintf("GRANT SELECT ON %s.%s TO %s", id, id, harness.Ident(harness.AwkwardNames[i-1])))
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
	if _, err := os.Stat("/tmp/hostile"); err == nil {
		t.Error("a name was run")
	}
}

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A grantor that cannot be kept costs no membership, whatever the versions.
func TestGrantors(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_dumpall of 16 and later does not write who granted on an older server")
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE prov CREATEROLE; CREATE ROLE readers; CREATE ROLE bob; CREATE ROLE lead; CREATE ROLE zed")
	want := "lead by postgres, zed by lead"
	if src.Major < granting {
		src.Exec(t, "postgres", "SET ROLE prov; GRANT readers TO bob")
		want = "bob by prov, " + want
	}
	// Two that give each other the right, in the wrong order of their names.
	src.Exec(t, "postgres", "GRANT readers TO lead WITH ADMIN OPTION")
	src.Exec(t, "postgres", "SET ROLE lead; GRANT readers TO zed")
	if src.Major >= granting {
		// The same one from two, with options that newer servers have.
		src.Exec(t, "postgres", "GRANT readers TO zed WITH INHERIT FALSE, SET FALSE; GRANT readers TO bob WITH INHERIT FALSE")
		want = "bob by postgres, lead by postgres, zed by lead, zed by postgres"
	}
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("postgres"), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	globals, dump := string(p.Cat(snapshot, "/00000-globals.sql")), string(p.Cat(snapshot, "/00001-postgres.dump"))
	const grants = "SELECT string_agg(member::regrole || ' by ' || grantor::regrole, ', ' ORDER BY member::regrole::text, grantor::regrole::text) FROM pg_auth_members WHERE roleid = 'readers'::regrole"
	query(t, src, "postgres", grants, want)

	// The last one first, as a server may give them back.
	if at := strings.Index(globals, "GRANT readers TO zed"); at >= 0 {
		line, _, _ := strings.Cut(globals[at:], "\n")
		globals = strings.Replace(strings.Replace(globals, line+"\n", "", 1), "GRANT readers TO", line+"\nGRANT readers TO", 1)
	} else {
		t.Fatalf("no such grant in\n%s", globals)
	}
	for _, major := range harness.Majors() {
		if major < src.Major {
			continue
		}
		dst, to := harness.Start(t, harness.Major(major)), fmt.Sprintf("@dst%d", major)
		p.DestinationAdd(to[1:], dst.URL(""), dst.BinDirOption())
		result := fromFiles(t, p, to, map[string]string{"00000-globals.sql": globals, "00001-postgres.dump": dump})
		ok(t, result)
		expected := want
		if src.Major < granting && dst.Major >= granting {
			expected = strings.Replace(want, "by prov", "by postgres", 1)
			if !strings.Contains(result.Output(), `not by \"prov\"`) && !strings.Contains(result.Output(), `not by "prov"`) {
				t.Errorf("no warning:\n%s", result.Output())
			}
		}
		query(t, dst, "postgres", grants, expected)
		if src.Major >= granting {
			const options = "SELECT string_agg(member::regrole || inherit_option::text || set_option || admin_option, ' ' ORDER BY member::regrole::text, grantor::regrole::text) FROM pg_auth_members WHERE roleid = 'readers'::regrole"
			query(t, dst, "postgres", options, src.QueryText(t, "postgres", options))
		}
	}

	// A target whose first superuser has another name.
	other := harness.Start(t)
	other.Exec(t, "postgres", "CREATE ROLE admin SUPERUSER LOGIN PASSWORD 'mine'")
	p.DestinationAdd("other", other.URLFor("admin", "mine", ""), other.BinDirOption())
	globals = strings.ReplaceAll(globals, "GRANTED BY "+harness.Superuser, "GRANTED BY somebody")
	result := fromFiles(t, p, "@other", map[string]string{"00000-globals.sql": globals, "00001-postgres.dump": dump})
	ok(t, result)
	query(t, other, "postgres", "SELECT count(*) > 0 FROM pg_auth_members WHERE roleid = 'readers'::regrole AND member = 'lead'::regrole", "t")
	if !strings.Contains(result.Output(), "somebody") {
		t.Errorf("no warning:\n%s", result.Output())
	}
}

// granting is the first version that keeps who granted a membership, and refuses who may not.
const granting = 16

// Who comes with a new role in one statement comes as by a GRANT: where a part is restored, nobody gets more
// than was asked for, and who is there gets nothing.
func TestMembersOfNewRoles(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE ROLE app")
	src.Exec(t, "postgres", "CREATE TABLE t (x int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app")
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("postgres"), src.BinDirOption())
	snapshot := p.MustBackup("@mypg")
	files := map[string]string{"00001-postgres.dump": string(p.Cat(snapshot, "/00001-postgres.dump")), "00000-globals.sql": strings.Replace(string(p.Cat(snapshot, "/00000-globals.sql")),
		"CREATE ROLE app;", "CREATE ROLE boss; CREATE USER app LOGIN IN ROLE boss, pg_write_server_files ROLE there ADMIN mate PASSWORD 'saved'; ALTER GROUP app ADD USER there;", 1)}
	for options, want := range map[string]string{
		"databases=postgres":             "",
		"databases=postgres globals=all": "app>there boss>app pg_write_server_files>app",
	} {
		dst := harness.Start(t)
		dst.Exec(t, "postgres", "CREATE ROLE there")
		p.Run("destination", "rm", "dst")
		p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
		files := maps.Clone(files)
		if options != "databases=postgres" {
			files["00000-globals.sql"] = strings.Replace(files["00000-globals.sql"], "ADMIN mate", "", 1)
		}
		ok(t, fromFiles(t, p, "@dst", files, flags(strings.Fields(options))...))
		query(t, dst, "postgres", "SELECT coalesce(string_agg(roleid::regrole || '>' || member::regrole, ' ' ORDER BY roleid::regrole::text, member::regrole::text), '') FROM pg_auth_members WHERE member >= 16384", want)
		query(t, dst, "postgres", ownerT, "app")
	}
}

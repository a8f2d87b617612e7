package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// clusterQueries describe what belongs to no single database, a line each;
// names in place of OIDs. The roles that PostgreSQL itself makes are left out,
// but not who is a member of them.
var clusterQueries = []struct{ title, sql string }{
	{"role", `SELECT rolname, 'super=' || rolsuper, 'inherit=' || rolinherit, 'createrole=' || rolcreaterole,
		'createdb=' || rolcreatedb, 'login=' || rolcanlogin, 'replication=' || rolreplication, 'bypassrls=' || rolbypassrls,
		'limit=' || rolconnlimit, 'until=' || coalesce(rolvaliduntil::text, '-'), 'comment=' || coalesce(shobj_description(oid, 'pg_authid'), '-')
		FROM pg_authid WHERE rolname !~ '^pg_'`},
	{"password", `SELECT rolname, coalesce(rolpassword, '-') FROM pg_authid WHERE rolname !~ '^pg_'`},
	{"member", `SELECT roleid::regrole, 'has', member::regrole, 'admin=' || bool_or(admin_option)
		FROM pg_auth_members WHERE member::regrole::text !~ '^pg_' GROUP BY roleid, member`},
	{"setting", `SELECT coalesce(r.rolname, '<all roles>'), 'in', coalesce(d.datname, '<all databases>'), unnest(setconfig)
		FROM pg_db_role_setting LEFT JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase`},
	{"tablespace", `SELECT spcname, pg_get_userbyid(spcowner), coalesce(array_to_string(spcoptions, ','), ''), pg_tablespace_location(t.oid),
		coalesce(shobj_description(t.oid, 'pg_tablespace'), '-'),
		(SELECT string_agg(grantee::regrole || '=' || privilege_type || is_grantable, ',' ORDER BY grantee::regrole::text, privilege_type)
			FROM aclexplode(coalesce(spcacl, acldefault('t', spcowner))))
		FROM pg_tablespace t`},
	{"database", `SELECT datname, 'owner=' || pg_get_userbyid(datdba), 'encoding=' || pg_encoding_to_char(encoding),
		'collate=' || datcollate, 'ctype=' || datctype, 'provider=' || datlocprovider::text,
		'locale=' || coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', '-'),
		'template=' || datistemplate, 'limit=' || datconnlimit, 'tablespace=' || spcname,
		'comment=' || coalesce(shobj_description(d.oid, 'pg_database'), '-'),
		'acl=' || (SELECT string_agg(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END || '=' || privilege_type || is_grantable, ','
			ORDER BY CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END COLLATE "C", privilege_type)
			FROM aclexplode(coalesce(datacl, acldefault('d', datdba))))
		FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datallowconn`},
}

// memberOptions exist since version 16; a line for each grantor.
const memberOptions = `SELECT roleid::regrole, 'has', member::regrole, 'by', grantor::regrole, 'admin=' || admin_option,
	'inherit=' || inherit_option, 'set=' || set_option FROM pg_auth_members WHERE member::regrole::text !~ '^pg_'`

// RolesFingerprint describes what belongs to the whole cluster: roles with
// their attributes and password hashes, memberships, settings of roles and
// databases, tablespaces, and the properties of the databases that accept
// connections. The passwords of the given roles are left out.
func RolesFingerprint(tb testing.TB, s *Server, exceptPasswords ...string) string {
	tb.Helper()
	return rolesFingerprint(tb, s, s.Major >= 16, exceptPasswords)
}

func rolesFingerprint(tb testing.TB, s *Server, options bool, exceptPasswords []string) string {
	tb.Helper()
	var lines []string
	add := func(title, sql string) {
		rows, err := s.query("postgres", sql)
		if err != nil {
			tb.Fatalf("describing each %s: %v", title, err)
		}
		for _, row := range rows {
			name, _, _ := strings.Cut(row, "|")
			if title == "password" && slices.Contains(exceptPasswords, name) {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %q", title, row))
		}
	}
	for _, query := range clusterQueries {
		add(query.title, query.sql)
	}
	if options {
		add("membership", memberOptions)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// CompareRoles fails the test when RolesFingerprint differs between two
// servers, as far as both versions know the attributes.
func CompareRoles(tb testing.TB, want, got *Server, exceptPasswords ...string) {
	tb.Helper()
	options := min(want.Major, got.Major) >= 16
	a := rolesFingerprint(tb, want, options, exceptPasswords)
	b := rolesFingerprint(tb, got, options, exceptPasswords)
	if diff := diffLines(a, b); diff != "" {
		tb.Errorf("roles and databases (-want, PostgreSQL %d; +got, %d):\n%s", want.Major, got.Major, diff)
	}
}

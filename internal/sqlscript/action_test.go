package sqlscript

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func one(t *testing.T, sql string) Statement {
	t.Helper()
	s, err := Parse(sql + ";")
	if err != nil || len(s.Statements) != 1 {
		t.Fatalf("%q: %q, %v", sql, lines(s), err)
	}
	return s.Statements[0]
}

func names(texts ...string) []Name {
	var all []Name
	for _, text := range texts {
		all = append(all, Name{Text: text})
	}
	return all
}

func TestRead(t *testing.T) {
	self := []Name{{Text: "current_user", Self: true}}
	for sql, want := range map[string]Action{
		`CREATE ROLE me`:                                                {Verb: Create, Class: Role, Names: names("me")},
		`create  user  ME`:                                              {Verb: Create, Class: Role, Names: names("me")},
		`CREATE ROLE "a ""b"""`:                                         {Verb: Create, Class: Role, Names: names(`a "b"`)},
		`ALTER ROLE "ME" WITH LOGIN`:                                    {Verb: Alter, Class: Role, Names: names("ME")},
		`ALTER GROUP me RENAME TO x`:                                    {Verb: Alter, Class: Role, Names: names("me")},
		`ALTER ROLE U&"m\0065" PASSWORD 'x'`:                            {Verb: Alter, Class: Role, Names: names("me")},
		`ALTER ROLE U&"m!+000065" UESCAPE '!' SET x TO 1`:               {Verb: Configure, Class: Role, Names: names("me"), Setting: "x"},
		`ALTER /* x */ ROLE -- y` + "\n me WITH LOGIN":                  {Verb: Alter, Class: Role, Names: names("me")},
		`ALTER USER CURRENT_USER PASSWORD 'x'`:                          {Verb: Alter, Class: Role, Names: self},
		`ALTER USER "current_user" PASSWORD 'x'`:                        {Verb: Alter, Class: Role, Names: names("current_user")},
		`ALTER ROLE ALL SET work_mem TO '1MB'`:                          {Verb: Configure, Class: Role, Names: []Name{{Text: "all", Self: true}}, Setting: "work_mem"},
		`ALTER ROLE me RESET ALL`:                                       {Verb: Configure, Class: Role, Names: names("me"), Setting: "all"},
		`ALTER ROLE me IN DATABASE "d b" SET x = 1`:                     {Verb: Configure, Class: Role, Names: names("me"), Database: "d b", Setting: "x"},
		`ALTER USER MAPPING FOR me SERVER s OPTIONS (SET password 'x')`: {Verb: Alter, Roles: names("me")},
		`CREATE USER MAPPING FOR me SERVER s`:                           {Verb: Create, Roles: names("me")},
		`COMMENT ON ROLE me IS 'x'`:                                     {Verb: Comment, Class: Role, Names: names("me")},
		`SECURITY LABEL FOR p ON ROLE me IS 'x'`:                        {Verb: Label, Class: Role, Names: names("me")},
		`SECURITY LABEL ON TABLESPACE t IS 'x'`:                         {Verb: Label, Class: Tablespace, Names: names("t")},
		`CREATE TABLESPACE t OWNER me LOCATION '/t'`:                    {Verb: Create, Class: Tablespace, Names: names("t")},
		`ALTER TABLESPACE t SET (random_page_cost='1')`:                 {Verb: Alter, Class: Tablespace, Names: names("t")},
		`GRANT a, "B" TO me WITH ADMIN OPTION, INHERIT TRUE GRANTED BY "the admin"`: {
			Verb: Grant, Class: Membership, Names: names("a", "B"), Roles: names("me"), Grantor: "the admin",
		},
		`REVOKE ADMIN OPTION FOR a FROM me, you GRANTED BY c`:                                                {Verb: Revoke, Class: Membership, Names: names("a"), Roles: names("me", "you"), Grantor: "c"},
		`GRANT ALL ON TABLESPACE t TO me WITH GRANT OPTION`:                                                  {Verb: Grant, Class: Tablespace, Names: names("t"), Roles: names("me")},
		`GRANT SET ON PARAMETER a.b TO PUBLIC`:                                                               {Verb: Grant, Class: Parameter, Names: names("a.b"), Roles: names("public")},
		`GRANT SELECT(x),UPDATE ON TABLE s.t TO GROUP me, x`:                                                 {Verb: Grant, Roles: names("me", "x")},
		`REVOKE ALL ON DATABASE d FROM PUBLIC`:                                                               {Verb: Revoke, Class: Database, Names: names("d"), Roles: names("public")},
		`SET SESSION AUTHORIZATION me`:                                                                       {Verb: Authorization, Roles: names("me")},
		`RESET SESSION AUTHORIZATION`:                                                                        {Verb: Authorization},
		`SET SESSION AUTHORIZATION DEFAULT`:                                                                  {Verb: Authorization},
		`ALTER DATABASE d OWNER TO "DATABASE z"`:                                                             {Verb: Alter, Class: Database, Names: names("d"), Roles: names("DATABASE z")},
		`ALTER DATABASE d SET x TO 'ON DATABASE y'`:                                                          {Verb: Configure, Class: Database, Names: names("d"), Setting: "x"},
		`ALTER DATABASE d SET TABLESPACE y`:                                                                  {Verb: Alter, Class: Database, Names: names("d")},
		`CREATE DATABASE d WITH TEMPLATE = template0`:                                                        {Verb: Create, Class: Database, Names: names("d")},
		`CREATE DATABASE d WITH ENCODING = 'UTF8' TABLESPACE = "a b"`:                                        {Verb: Create, Class: Database, Names: names("d"), Tablespace: "a b"},
		`ALTER TABLE s.t OWNER TO me`:                                                                        {Verb: Alter, Roles: names("me")},
		`CREATE POLICY p ON s.t FOR SELECT TO me, you USING (a TO b)`:                                        {Verb: Create, Roles: names("me", "you")},
		`CREATE POLICY p ON s.t USING (true)`:                                                                {Verb: Create},
		`ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA s REVOKE GRANT OPTION FOR SELECT ON TABLES FROM you`: {Verb: Alter, Roles: names("me", "you")},
		`ALTER GROUP g ADD USER "Me", you`:                                                                   {Verb: Grant, Class: Membership, Names: names("g"), Roles: names("Me", "you")},
		`alter group g drop user me`:                                                                         {Verb: Revoke, Class: Membership, Names: names("g"), Roles: names("me")},
		`DO 'BEGIN END'`:                                                                                     {},
		`DROP ROLE me`:                                                                                       {},
		`GRANT`:                                                                                              {Verb: Grant, Class: Membership},
		`ALTER ROLE`:                                                                                         {Verb: Alter, Class: Role, Names: []Name{{}}},
		`ALTER ROLE "x" IN DATABASE`:                                                                         {Verb: Alter, Class: Role, Names: names("x")},
	} {
		got := one(t, sql).Read()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Action{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got\n%s", sql, diff)
		}
	}
}

// What a role gets or gives when it is created are statements of their own.
func TestSplitMembers(t *testing.T) {
	for sql, want := range map[string][]string{
		`CREATE ROLE x LOGIN`:                     {`CREATE ROLE x LOGIN`},
		`CREATE USER MAPPING FOR user SERVER s`:   {`CREATE USER MAPPING FOR user SERVER s`},
		`ALTER ROLE x IN DATABASE y SET z TO 'w'`: {`ALTER ROLE x IN DATABASE y SET z TO 'w'`},
		`GRANT x TO y`:                            {`GRANT x TO y`},
		`create user "A b" in role y, "Z" Password 'role z' in group "IN" admin CURRENT_USER`: {
			`create user "A b"  Password 'role z'  `, `GRANT y, "Z" TO "A b"`, `GRANT "IN" TO "A b"`, `GRANT "A b" TO CURRENT_USER WITH ADMIN OPTION`,
		},
		"CREATE GROUP U&\"!0041\" UESCAPE '!' WITH -- in role q\nUSER a /* , z */, b\nROLE c SUPERUSER": {
			"CREATE GROUP U&\"!0041\" UESCAPE '!' WITH -- in role q\n\n SUPERUSER", "GRANT U&\"!0041\" UESCAPE '!' TO a /* , z */, b", "GRANT U&\"!0041\" UESCAPE '!' TO c",
		},
		`CREATE ROLE admin ROLE role, admin`: {`CREATE ROLE admin `, `GRANT admin TO role, admin`},
		`CREATE ROLE x IN ROLE`:              {`CREATE ROLE x IN ROLE`},
		`CREATE ROLE x IN ROLE , y`:          {`CREATE ROLE x IN ROLE , y`},
		`CREATE ROLE`:                        {`CREATE ROLE`},
	} {
		var got []string
		for _, s := range one(t, sql).SplitMembers() {
			got = append(got, s.SQL)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", sql, diff)
		}
	}
}

func TestIs(t *testing.T) {
	long := "x23456789012345678901234567890123456789012345678901234567890123"
	for sql, want := range map[string]bool{
		`ALTER ROLE me WITH LOGIN`:             true,
		`ALTER ROLE "m""e" WITH LOGIN`:         false,
		`ALTER ROLE mean WITH LOGIN`:           false,
		`ALTER ROLE SESSION_USER WITH LOGIN`:   true,
		`ALTER ROLE ` + long + `4 WITH LOGIN`:  true, // is cut off
		`ALTER ROLE "` + long + `" WITH LOGIN`: true,
	} {
		if got := one(t, sql).Read().Names[0].Is("me", long); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
	cut := one(t, `ALTER ROLE "`+long[:62]+`é" WITH LOGIN`).Read().Names[0].Text
	if cut != long[:62] {
		t.Errorf("a character is cut through: %q", cut)
	}
}

func TestWithoutGrantor(t *testing.T) {
	for sql, want := range map[string]string{
		`GRANT a TO b WITH ADMIN OPTION GRANTED BY "c d"`: `GRANT a TO b WITH ADMIN OPTION`,
		`REVOKE a FROM b GRANTED BY c CASCADE`:            `REVOKE a FROM b CASCADE`,
	} {
		if got := one(t, sql).WithoutGrantor().SQL; got != want {
			t.Errorf("%s: %s; want %s", sql, got, want)
		}
	}
}

func TestForDatabase(t *testing.T) {
	for sql, want := range map[string]string{
		`CREATE DATABASE "a ""b""" WITH TEMPLATE = template0`:                    `CREATE DATABASE "n""w" WITH TEMPLATE = template0`,
		`ALTER DATABASE a SET x TO 'ON DATABASE a'`:                              `ALTER DATABASE "n""w" SET x TO 'ON DATABASE a'`,
		`ALTER ROLE "IN DATABASE q" IN DATABASE a SET x TO 'y;'`:                 `ALTER ROLE "IN DATABASE q" IN DATABASE "n""w" SET x TO 'y;'`,
		"COMMENT ON DATABASE a IS 'one\ntwo'":                                    "COMMENT ON DATABASE \"n\"\"w\" IS 'one\ntwo'",
		`GRANT CONNECT ON DATABASE a TO bob`:                                     `GRANT CONNECT ON DATABASE "n""w" TO bob`,
		`SECURITY LABEL FOR "ON DATABASE" ON DATABASE /* a */ a IS 'DATABASE a'`: `SECURITY LABEL FOR "ON DATABASE" ON DATABASE /* a */ "n""w" IS 'DATABASE a'`,
	} {
		if got := one(t, sql).ForDatabase(`"n""w"`).SQL; got != want {
			t.Errorf("%s: %s; want %s", sql, got, want)
		}
	}
}

func TestWithoutPowers(t *testing.T) {
	s, given := one(t, `ALTER ROLE superuser WITH SUPERUSER NOINHERIT NOREPLICATION bypassrls PASSWORD 'SUPERUSER'`).WithoutPowers()
	if diff := cmp.Diff([]string{"SUPERUSER", "BYPASSRLS"}, given); diff != "" {
		t.Error(diff)
	}
	if want := `ALTER ROLE superuser WITH  NOINHERIT   PASSWORD 'SUPERUSER'`; s.SQL != want {
		t.Errorf("%q; want %q", s.SQL, want)
	}
}

// A message never has a secret in it.
func TestSubject(t *testing.T) {
	for sql, want := range map[string]string{
		"ALTER ROLE  x\nWITH LOGIN PASSWORD 'hush'": "ALTER ROLE x",
		`ALTER ROLE x PASSWORD $$hush$$`:            "ALTER ROLE x",
		`ALTER ROLE x SET "app.key" TO 'hush'`:      `ALTER ROLE x SET "app.key" TO`,
		`COMMENT ON ROLE x IS E'hush'`:              "COMMENT ON ROLE x IS",
	} {
		if got := one(t, sql).Subject(); got != want {
			t.Errorf("%q: %q; want %q", sql, got, want)
		}
	}
}

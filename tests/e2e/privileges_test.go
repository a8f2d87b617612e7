package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// closed is a database of which a role may read nothing, though it may by default read
// whatever is created later.
const closed = `
	CREATE SCHEMA shut;
	CREATE TABLE secrets (id serial PRIMARY KEY, x text); INSERT INTO secrets (x) VALUES ('secret');
	CREATE TABLE shut."it's \ odd" (id int GENERATED ALWAYS AS IDENTITY);
	CREATE VIEW of_secrets AS SELECT * FROM secrets;
	CREATE MATERIALIZED VIEW kept AS SELECT * FROM secrets;
	CREATE MATERIALIZED VIEW grouped AS SELECT id, x FROM secrets GROUP BY id;
	CREATE FUNCTION of_group() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT x FROM secrets GROUP BY id; END;
	CREATE FUNCTION tell(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE PROCEDURE act() LANGUAGE sql AS 'SELECT 1';
	CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
	CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN short AS text; CREATE TYPE pair AS (a int, b int);
	CREATE TYPE span AS RANGE (subtype = float8);
	CREATE TABLE half (a int, b int); GRANT SELECT (a) ON half TO app;
	CREATE TABLE parted (x int) PARTITION BY LIST (x); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
	CREATE EXTENSION pg_stat_statements;
	CREATE EXTENSION unaccent;
	GRANT SELECT ON parted TO PUBLIC; ALTER TABLE secrets OWNER TO keeper;
	SELECT lo_from_bytea(n, 'secret') FROM generate_series(1001, 1004) n; GRANT SELECT ON LARGE OBJECT 1002 TO app; ALTER LARGE OBJECT 1003 OWNER TO keeper`

// openByDefault is what ALTER DEFAULT PRIVILEGES can give, and take.
const openByDefault = `
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO app; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO app;
	ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO app; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO app; ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
	DO $$BEGIN IF current_setting('server_version_num')::int >= 180000 THEN EXECUTE 'ALTER DEFAULT PRIVILEGES GRANT ALL ON LARGE OBJECTS TO app WITH GRANT OPTION'; END IF; END$$`

// privileges are those in force on what was created in a database.
const privileges = `
	SELECT kind, name, owner, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type, is_grantable FROM (
		SELECT 'relation' AS kind, oid::regclass::text AS name, relowner::regrole::text AS owner, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
			FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S')
		UNION ALL SELECT 'routine', oid::regprocedure::text, proowner::regrole::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid >= 16384
		UNION ALL SELECT 'type', oid::regtype::text, typowner::regrole::text, coalesce(typacl, acldefault('T', typowner)) FROM pg_type WHERE oid >= 16384
		UNION ALL SELECT 'schema', nspname, nspowner::regrole::text, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE oid >= 16384
		UNION ALL SELECT 'large object', oid::text, lomowner::regrole::text, coalesce(lomacl, acldefault('L', lomowner)) FROM pg_largeobject_metadata
		UNION ALL SELECT 'column', attrelid::regclass::text || '.' || attname, '', attacl FROM pg_attribute WHERE attrelid >= 16384 AND attacl IS NOT NULL
	) o, aclexplode(acl) ORDER BY 1, 2, 4, 5`

// ofExtension tells the rows about what an extension has made: its scripts grant and revoke,
// so that it is not known what of that the defaults took away.
func ofExtension(row string) bool {
	return strings.Contains(row, "pg_stat_statements") || strings.Contains(row, "unaccent")
}

// What was closed stays closed, whatever is open by default on the target.
func TestDefaultPrivileges(t *testing.T) {
	t.Parallel()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE ROLE app; CREATE ROLE keeper")
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", closed+";"+openByDefault)
	want := strings.Split(s.server.QueryText(t, "first", privileges), "\n")
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=1B", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		check := func(what string, r harness.Result) {
			t.Helper()
			ok(t, r)
			got := strings.Split(dst.QueryText(t, "first", privileges), "\n")
			for _, row := range got {
				if ofExtension(row) && !slices.Contains(want, row) {
					t.Errorf("%s, %s: opened: %s", layout, what, row)
				}
			}
			if diff := cmp.Diff(slices.DeleteFunc(slices.Clone(want), ofExtension), slices.DeleteFunc(got, ofExtension)); diff != "" {
				t.Errorf("%s, %s: -want +got\n%s", layout, what, diff)
			}
		}
		renew := func() {
			dst.Exec(t, "postgres", "DROP DATABASE first WITH (FORCE)")
			dst.Exec(t, "postgres", "CREATE DATABASE first")
			dst.Exec(t, "first", openByDefault)
		}
		check("into nothing", restore(""))
		if layout == "single" {
			check("clean", restore("", "clean=true"))
			check("clean, jobs", restore("", "clean=true", "jobs=2"))
		}
		renew()
		check("into an empty database", restore("", "jobs=2"))
		if dst.Major >= 18 {
			dst.Exec(t, "first", "TRUNCATE secrets; SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
			check("rows only", restore("", "data_only=true"))
			query(t, dst, "first", "SELECT count(*) FROM pg_largeobject_metadata", "4")
			// One that is not restored keeps what it has.
			dst.Exec(t, "first", "TRUNCATE secrets; SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid > 1001; GRANT SELECT ON LARGE OBJECT 1001 TO app")
			failed(t, restore("", "data_only=true"), "(oid)=(1001) already exists")
			query(t, dst, "first", "SELECT lomacl FROM pg_largeobject_metadata WHERE oid IN (1001, 1004) ORDER BY oid", "{postgres=rw/postgres,app=r/postgres}\n{postgres=rw/postgres}")
		}
		renew()
		ok(t, restore("", "no_owner=true"))
		query(t, dst, "first", "SELECT has_schema_privilege('app', 'shut', 'USAGE'), has_table_privilege('app', 'secrets', 'SELECT')", "f|f")
		ok(t, restore("", "recreate=true"))
		query(t, dst, "first", "SELECT has_table_privilege('app', 'secrets', 'SELECT')", "f")

		// The user's wish.
		renew()
		ok(t, restore("", "no_privileges=true"))
		query(t, dst, "first", "SELECT has_table_privilege('app', 'secrets', 'SELECT')", "t")
	}
}

package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// granted are the kinds of entries that create what default privileges are for.
// Source: https://www.postgresql.org/docs/18/sql-alterdefaultprivileges.html
var granted = []string{
	"SCHEMA", "EXTENSION", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "SHELL TYPE", "DOMAIN",
	"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE",
}

// createsGranted reports whether the archive creates what default privileges are for.
// pg_dump leaves some of it for what follows the rows: a materialized view that is grouped
// by a primary key, a function whose body needs one.
func createsGranted(a *archive) bool {
	return slices.ContainsFunc(a.toc.Entries, func(e dumparchive.Entry) bool {
		return a.chooses(&e) && (slices.Contains(granted, e.Desc) || len(oidsOf(&e)) > 0)
	})
}

// withoutDefaultPrivileges lets no default privileges of the target count for what the
// archive creates: it has the privileges that differ from PostgreSQL's own defaults, and no
// word of those that the target's defaults give or take.
//
// Each object loses them in the statement that creates it, so that nobody has them at any
// moment; large objects before they have content. The defaults themselves stay as they are:
// they would be lost if we were killed.
func (r *restorer) withoutDefaultPrivileges(ctx context.Context, database string, plan target.Plan, a *archive) (changed bool, err error) {
	if plan.Create || plan.Replace || r.options.NoPrivileges {
		return false, nil
	}
	oids := largeObjectsIn(a)
	if r.options.DataOnly && len(oids) == 0 {
		return false, nil
	}
	found, err := defaultPrivilegesIn(ctx, r.server, database, oids)
	if err != nil {
		return false, fmt.Errorf("looking for default privileges: %w", err)
	}
	found.OfObjects = found.OfObjects && !r.options.DataOnly
	if (found.OfObjects || found.OfLargeObjects) && !found.Usable {
		return false, errors.New("the database has default privileges, which would open what is restored, and taking them back needs the language plpgsql: nothing was restored\nhint: create plpgsql there, let this role use it, or set no_privileges=true")
	}
	if plan.Clean {
		found.There = nil // they are dropped
	}
	changed = found.OfObjects && resetEntries(a)
	return found.OfLargeObjects && resetLargeObjects(a, found.There) || changed, nil
}

// defaultPrivileges are those that a database has, and that count for the large objects of an archive.
type defaultPrivileges struct {
	OfObjects, OfLargeObjects bool
	Usable                    bool     // plpgsql
	There                     []uint32 // large objects among those of the archive
}

// defaultPrivilegesIn reads them.
func defaultPrivilegesIn(ctx context.Context, s *server.Server, database string, oids []uint32) (found defaultPrivileges, err error) {
	err = s.With(ctx, database, func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE defaclobjtype <> 'L'), EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE defaclobjtype = 'L'),
			       EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql' AND pg_catalog.has_language_privilege(oid, 'USAGE')),
			       ARRAY (SELECT oid FROM pg_catalog.pg_largeobject_metadata WHERE oid = ANY ($1))`, oids)
		found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[defaultPrivileges])
		return err
	})
	found.OfLargeObjects = found.OfLargeObjects && len(oids) > 0
	return found, err
}

// resetEntries lets what entries create lose default privileges.
func resetEntries(a *archive) (changed bool) {
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		// The schema public may have no more than a comment.
		if !slices.Contains(granted, e.Desc) || e.Defn == "" || strings.HasPrefix(e.Defn, "--") {
			continue
		}
		e.Defn += resetPrivileges(e)
		if e.Desc == "SCHEMA" {
			// With --no-owner pg_restore writes a statement of its own, unless the entry
			// begins like this.
			// Source: _printTocEntry in src/bin/pg_dump/pg_backup_archiver.c
			e.Defn = "--\n" + e.Defn
		}
		changed = true
	}
	return changed
}

// relations are the kinds of entries that create what pg_class holds and is named alone.
var relations = []string{"TABLE", "VIEW", "FOREIGN TABLE", "MATERIALIZED VIEW", "SEQUENCE"}

// resetPrivileges is the statement that gives what the entry creates the privileges that it
// has without ALTER DEFAULT PRIVILEGES. pg_restore sends it together with the entry's own
// statement, in one transaction: so what that has created is told by xmin. An extension
// grants and revokes by its scripts, too: it loses what the defaults gave, and nothing is
// given to it, since it is not known what its scripts took away.
// Source: get_user_default_acl in src/backend/catalog/aclchk.c
func resetPrivileges(e *dumparchive.Entry) string {
	relation := "true"
	if slices.Contains(relations, e.Desc) {
		// By its index: a schema may have many.
		relation = "c.relname = " + sqlscript.Literal(e.Tag)
	}
	return fmt.Sprintf(resetTemplate, e.Desc == "EXTENSION", fmt.Sprintf(madeNow, relation))
}

// madeNow is what the transaction has created.
const madeNow = `SELECT * FROM (
			SELECT CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS kind, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS what,
				c.oid::pg_catalog.regclass::text AS name, relnamespace AS namespace, relowner AS owner, relacl AS acl, c.xmin AS made_by
			FROM pg_catalog.pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND %s
			UNION ALL
			SELECT 'f', 'ROUTINE', oid::pg_catalog.regprocedure::text, pronamespace, proowner, proacl, xmin FROM pg_catalog.pg_proc
			UNION ALL
			SELECT 'T', 'TYPE', oid::pg_catalog.regtype::text, typnamespace, typowner, typacl, xmin FROM pg_catalog.pg_type
			UNION ALL
			SELECT 'n', 'SCHEMA', pg_catalog.quote_ident(nspname), 0::pg_catalog.oid, nspowner, nspacl, xmin FROM pg_catalog.pg_namespace
		) o WHERE made_by::text = (pg_catalog.txid_current() %% 4294967296)::text`

const resetTemplate = `
DO $plakar_reset$
DECLARE
	statement text;
	in_extension constant boolean := %t;
BEGIN
	FOR statement IN
		WITH made AS (
			%s
		), changed AS (
			SELECT *, pg_catalog.acldefault(kind, owner) AS usual FROM made WHERE acl IS NOT NULL
		)
		SELECT pg_catalog.format('REVOKE %%s ON %%s %%s FROM %%s CASCADE', more.privilege_type, what, name,
			CASE WHEN more.grantee = 0 THEN 'PUBLIC' ELSE more.grantee::pg_catalog.regrole::text END)
		FROM changed, LATERAL (
			SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode(acl)
			EXCEPT SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode(usual)
		) more
		WHERE NOT in_extension OR EXISTS (
			SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(defaclacl) given
			WHERE defaclrole = owner AND defaclnamespace IN (0, namespace) AND given.grantee = more.grantee AND given.privilege_type = more.privilege_type
				AND defaclobjtype = CASE kind WHEN 's' THEN 'S' ELSE kind END)
		UNION ALL
		SELECT pg_catalog.format('GRANT %%s ON %%s %%s TO %%s', less.privilege_type, what, name,
			CASE WHEN less.grantee = 0 THEN 'PUBLIC' ELSE less.grantee::pg_catalog.regrole::text END)
		FROM changed, LATERAL (
			SELECT grantee, privilege_type FROM pg_catalog.aclexplode(usual)
			EXCEPT SELECT grantee, privilege_type FROM pg_catalog.aclexplode(acl)
		) less
		WHERE NOT in_extension
	LOOP
		EXECUTE statement;
	END LOOP;
END
$plakar_reset$;
`

package target

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
)

// Dependents describes what keeps objects of the database from being dropped: what depends on a relation
// among them, or on a part of one, and is not dropped with them.
func (o *Objects) Dependents(ctx context.Context, s *server.Server, database string, objects []selection.Object) (found []string, err error) {
	var kinds, schemas, objectNames []string
	for _, object := range objects {
		if there, ok := o.has[keyOf(object)]; ok {
			kinds, schemas, objectNames = append(kinds, there.Kind), append(schemas, there.Schema), append(objectNames, there.Name)
		}
	}
	err = s.With(ctx, database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('search_path', '', false)"); err != nil {
			return err
		}
		found, err = names(ctx, conn, listDependents, kinds, schemas, objectNames)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what depends on what is to be dropped: %w", err)
	}
	return found, nil
}

// listDependents follows to what goes with an object, and finds what DROP without CASCADE stops
// at. The query of a view is a rule of it. The names of routines and casts are those of listObjects.
// Source: findDependentObjects in src/backend/catalog/dependency.c
const listDependents = `
	WITH RECURSIVE given AS (
		SELECT t.kind, t.name, n.oid AS namespace
		FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[])) AS t (kind, schema, name)
		LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema::pg_catalog.name
	), chosen (classid, objid) AS (
		SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid FROM given JOIN pg_catalog.pg_class c
			ON kind = 'relation' AND relnamespace = namespace AND relname = name::pg_catalog.name
		UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM given JOIN pg_catalog.pg_type t
			ON kind = 'type' AND typnamespace = namespace AND typname = name::pg_catalog.name
		UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid FROM given JOIN pg_catalog.pg_proc p
			ON kind = 'routine' AND pronamespace = namespace AND proname::text || '(' ||
				CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE pg_catalog.oidvectortypes(proargtypes) END || ')' = name
		UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid FROM given JOIN pg_catalog.pg_operator o
			ON kind = 'OPERATOR' AND oprnamespace = namespace AND oprname = name::pg_catalog.name
		UNION ALL SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass, c.oid FROM given JOIN pg_catalog.pg_cast c
			ON kind = 'CAST' AND 'CAST (' || pg_catalog.format_type(castsource, NULL) || ' AS ' || pg_catalog.format_type(casttarget, NULL) || ')' = name
	), dropped (classid, objid, of_relation) AS (
		SELECT classid, objid, classid = 'pg_catalog.pg_class'::pg_catalog.regclass FROM chosen
		UNION
		SELECT d.classid, d.objid, of_relation FROM dropped JOIN pg_catalog.pg_depend d ON d.refclassid = dropped.classid AND d.refobjid = dropped.objid
		WHERE d.deptype IN ('a', 'i', 'P', 'S')
	)
	SELECT DISTINCT coalesce(
			(SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, ev_class, 0) FROM pg_catalog.pg_rewrite
				WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND oid = d.objid AND rulename = '_RETURN'),
			pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
	FROM dropped JOIN pg_catalog.pg_depend d ON d.refclassid = dropped.classid AND d.refobjid = dropped.objid
	WHERE of_relation AND d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM dropped)
	ORDER BY 1`

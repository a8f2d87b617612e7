package target

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
)

// Dependents describes what keeps relations of the database from being dropped: what depends
// on them, or on a part of them, and is not dropped with them.
func (o *Objects) Dependents(ctx context.Context, s *server.Server, database string, relations []selection.Object) (found []string, err error) {
	var schemas, relnames []string
	for _, relation := range relations {
		if there, ok := o.has[keyOf(relation)]; ok {
			schemas, relnames = append(schemas, there.Schema), append(relnames, there.Name)
		}
	}
	err = s.With(ctx, database, func(conn *pgx.Conn) error {
		found, err = names(ctx, conn, listDependents, schemas, relnames)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what depends on what is to be dropped: %w", err)
	}
	return found, nil
}

// listDependents follows to what goes with an object, and finds what DROP without CASCADE stops
// at. The query of a view is a rule of it.
// Source: findDependentObjects in src/backend/catalog/dependency.c
const listDependents = `
	WITH RECURSIVE dropped (classid, objid) AS (
		SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid
		FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS t (schema, name)
		JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema::pg_catalog.name
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name::pg_catalog.name
		UNION
		SELECT d.classid, d.objid FROM dropped JOIN pg_catalog.pg_depend d ON d.refclassid = dropped.classid AND d.refobjid = dropped.objid
		WHERE d.deptype IN ('a', 'i', 'P', 'S')
	)
	SELECT DISTINCT coalesce(
			(SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, ev_class, 0) FROM pg_catalog.pg_rewrite
				WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND oid = d.objid AND rulename = '_RETURN'),
			pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
	FROM dropped JOIN pg_catalog.pg_depend d ON d.refclassid = dropped.classid AND d.refobjid = dropped.objid
	WHERE d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM dropped)
	ORDER BY 1`

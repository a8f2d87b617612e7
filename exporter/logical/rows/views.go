package rows

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// View is a materialized view.
type View struct {
	Table
	Reads     bool // some of the tables, itself or through other views
	Populated bool
}

// Views are the materialized views that read any of the tables, and those of the named ones
// that are there.
func Views(ctx context.Context, conn *pgx.Conn, tables, named []Table) ([]View, error) {
	schemas, names := split(named)
	rows, err := ask(ctx, conn, tables, `, reads AS (
			SELECT oid FROM family
			UNION
			SELECT up.oid FROM reads, LATERAL (
				SELECT r.ev_class AS oid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
				WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = reads.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
				UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits WHERE inhrelid = reads.oid
			) up)
		SELECT s.nspname::text, c.relname::text, c.oid IN (SELECT oid FROM reads), c.relispopulated
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
		WHERE c.relkind = 'm' AND (c.oid IN (SELECT oid FROM reads)
			OR (s.nspname, c.relname) IN (SELECT * FROM ROWS FROM (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) AS n))
		ORDER BY 1, 2`, schemas, names)
	if err != nil {
		return nil, err
	}
	var views []View
	var v View
	_, err = pgx.ForEachRow(rows, []any{&v.Schema, &v.Name, &v.Reads, &v.Populated}, func() error {
		views = append(views, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for materialized views: %w", err)
	}
	return views, nil
}

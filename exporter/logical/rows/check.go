package rows

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// maxBroken is how many broken constraints are named.
const maxBroken = 20

// Check reports the constraints of the tables that their rows break, and that were not in
// force while these were loaded with session_replication_role=replica: foreign keys, and
// what is checked at the end of a transaction. Constraints that are NOT VALID are left
// alone.
func Check(ctx context.Context, conn *pgx.Conn, tables []Table) error {
	keys, err := foreignKeys(ctx, conn, tables)
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range keys {
		var broken int64
		if err := conn.QueryRow(ctx, key.Query).Scan(&broken); err != nil {
			errs = append(errs, fmt.Errorf("checking foreign key %s of %s: %w", key.Name, key.Table, err))
		} else if broken > 0 {
			errs = append(errs, fmt.Errorf("foreign key %s of %s does not hold: %d of its rows refer to nothing in %s\nhint: restore what is missing there, or delete these rows; they stay until then", key.Name, key.Table, broken, key.References))
		}
		if ctx.Err() != nil {
			break
		}
	}
	errs = append(errs, checkDeferrable(ctx, conn, tables))
	if more := len(errs) - maxBroken; more > 0 {
		errs = append(errs[:maxBroken:maxBroken], fmt.Errorf("[%d more]", more))
	}
	return errors.Join(errs...)
}

// checkDeferrable has indexes built anew of deferrable constraints, which the server does
// not check in that mode either: that tells whether the rows keep them.
// Source: unique_key_recheck in src/backend/commands/constraint.c is a trigger
func checkDeferrable(ctx context.Context, conn *pgx.Conn, tables []Table) error {
	rows, err := ask(ctx, conn, tables, `
		SELECT DISTINCT con.conname::text, con.conrelid::pg_catalog.regclass::text, pg_catalog.format('%I.%I', s.nspname, i.relname)
		FROM pg_catalog.pg_constraint con JOIN family f ON f.oid = con.conrelid
		JOIN pg_catalog.pg_class i ON i.oid = con.conindid AND i.relkind = 'i' JOIN pg_catalog.pg_namespace s ON s.oid = i.relnamespace
		WHERE con.contype IN ('p', 'u', 'x') AND con.condeferrable ORDER BY 2, 1`)
	if err != nil {
		return err
	}
	var found [][3]string
	var c [3]string
	if _, err := pgx.ForEachRow(rows, []any{&c[0], &c[1], &c[2]}, func() error { found = append(found, c); return nil }); err != nil {
		return fmt.Errorf("looking for deferrable constraints: %w", err)
	}
	var errs []error
	for _, c := range found {
		if _, err := conn.Exec(ctx, "REINDEX INDEX "+c[2]); err != nil {
			errs = append(errs, fmt.Errorf("constraint %s of %s: %w", c[0], c[1], err))
		}
	}
	return errors.Join(errs...)
}

// foreignKey is one to be checked.
type foreignKey struct {
	Name       string
	Table      string
	References string
	Query      string // counts the rows that break it
}

// foreignKeys are those that rows of the tables may break. A partition has constraints of
// its own. What stands for a key's partitions of the table that it refers to is left out.
//
// The comparison is that of the server, with its operators and collation.
// Source: RI_Initial_Check in src/backend/utils/adt/ri_triggers.c
func foreignKeys(ctx context.Context, conn *pgx.Conn, tables []Table) ([]foreignKey, error) {
	rows, err := ask(ctx, conn, tables, `
		SELECT DISTINCT con.conname::text, con.conrelid::pg_catalog.regclass::text, con.confrelid::pg_catalog.regclass::text,
			pg_catalog.format('SELECT pg_catalog.count(*) FROM %s %s fk WHERE ', fk.only, con.conrelid::pg_catalog.regclass) ||
			CASE WHEN con.confmatchtype = 'f' THEN pg_catalog.format('(%s) AND ((%s) OR ', parts.some, parts.lacking) ELSE pg_catalog.format('%s AND (', parts.complete) END ||
			pg_catalog.format('NOT EXISTS (SELECT FROM %s %s pk WHERE %s%s))', pk.only, con.confrelid::pg_catalog.regclass, parts.matches,
				CASE WHEN (pg_catalog.to_jsonb(con) ->> 'conperiod')::bool THEN
					pg_catalog.format(' HAVING pg_catalog.range_agg(pk.%1$I) OPERATOR(pg_catalog.@>) fk.%2$I', parts.pk_period, parts.fk_period) ELSE '' END)
		FROM pg_catalog.pg_constraint con JOIN family f ON f.oid = con.conrelid
		JOIN LATERAL (SELECT CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END AS only FROM pg_catalog.pg_class WHERE oid = con.conrelid) fk ON true
		JOIN LATERAL (SELECT CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END AS only FROM pg_catalog.pg_class WHERE oid = con.confrelid) pk ON true
		JOIN LATERAL (
			SELECT pg_catalog.string_agg(pg_catalog.format('fk.%I IS NOT NULL', a.attname), ' AND ') AS complete,
				pg_catalog.string_agg(pg_catalog.format('fk.%I IS NOT NULL', a.attname), ' OR ') AS some,
				pg_catalog.string_agg(pg_catalog.format('fk.%I IS NULL', a.attname), ' OR ') AS lacking,
				pg_catalog.string_agg(pg_catalog.format('pk.%I%s OPERATOR(%I.%s) fk.%I%s%s',
					r.attname, CASE WHEN r.atttypid <> o.oprleft THEN pg_catalog.format('::%I.%I', ls.nspname, l.typname) ELSE '' END,
					s.nspname, o.oprname,
					a.attname, CASE WHEN a.atttypid <> o.oprright THEN pg_catalog.format('::%I.%I', rs.nspname, rt.typname) ELSE '' END,
					CASE WHEN r.attcollation NOT IN (0, a.attcollation) THEN (SELECT pg_catalog.format(' COLLATE %I.%I', nspname, collname)
						FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = r.attcollation) ELSE '' END), ' AND ') AS matches,
				(pg_catalog.array_agg(r.attname ORDER BY u.k DESC))[1] AS pk_period, (pg_catalog.array_agg(a.attname ORDER BY u.k DESC))[1] AS fk_period
			FROM ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey), pg_catalog.unnest(con.conpfeqop)) WITH ORDINALITY AS u (fk, pk, op, k)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = u.fk
			JOIN pg_catalog.pg_attribute r ON r.attrelid = con.confrelid AND r.attnum = u.pk
			JOIN pg_catalog.pg_operator o ON o.oid = u.op JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
			JOIN pg_catalog.pg_type l ON l.oid = o.oprleft JOIN pg_catalog.pg_namespace ls ON ls.oid = l.typnamespace
			JOIN pg_catalog.pg_type rt ON rt.oid = o.oprright JOIN pg_catalog.pg_namespace rs ON rs.oid = rt.typnamespace
		) parts ON true
		WHERE con.contype = 'f' AND con.convalidated
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up WHERE up.oid = con.conparentid AND up.conrelid = con.conrelid)
		ORDER BY 2, 1`)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[foreignKey])
	if err != nil {
		return nil, fmt.Errorf("looking for foreign keys: %w", err)
	}
	return keys, nil
}

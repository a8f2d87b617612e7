package rows

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Table names a table, as the session that is asked spells it.
type Table struct{ Schema, Name string }

func (t Table) String() string { return t.Schema + "." + t.Name }

// family is the beginning of a query: the tables of the parameters $1 and $2, which are
// their schemas and names, with the partitions that rows may be routed to. n is the place
// in the parameters, from 1 on.
const family = `
	WITH RECURSIVE family AS (
		SELECT given.n, c.oid, 0 AS depth
		FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS given (schema, name, n)
		JOIN pg_catalog.pg_namespace s ON s.nspname = given.schema
		JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = given.name
		UNION
		SELECT family.n, c.oid, family.depth + 1
		FROM family JOIN pg_catalog.pg_inherits i ON i.inhparent = family.oid
		JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
	)`

// ask runs a query that begins with family.
func ask(ctx context.Context, conn *pgx.Conn, tables []Table, query string, args ...any) (pgx.Rows, error) {
	schemas, names := split(tables)
	rows, err := conn.Query(ctx, family+query, append([]any{schemas, names}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("looking at the tables: %w", err)
	}
	return rows, nil
}

func split(tables []Table) (schemas, names []string) {
	schemas, names = make([]string, len(tables)), make([]string, len(tables))
	for n, t := range tables {
		schemas[n], names[n] = t.Schema, t.Name
	}
	return schemas, names
}

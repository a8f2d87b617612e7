package logical

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// namedPerWarning is how many objects one warning names.
const namedPerWarning = 20

// readGraph reads what the database's own objects depend on.
func readGraph(ctx context.Context, conn *pgx.Conn) (*graph, error) {
	rows, err := conn.Query(ctx, "SELECT oid, relkind::text FROM pg_class WHERE oid >= 16384")
	if err != nil {
		return nil, fmt.Errorf("listing the relations: %w", err)
	}
	kinds := make(map[uint32]rune)
	var oid uint32
	var kind string
	if _, err = pgx.ForEachRow(rows, []any{&oid, &kind}, func() error {
		kinds[oid] = rune(kind[0])
		return nil
	}); err != nil {
		return nil, fmt.Errorf("listing the relations: %w", err)
	}
	// What initdb made needs nothing and is everywhere, but for the schema public.
	rows, err = conn.Query(ctx, `
		SELECT classid, objid, refclassid, refobjid, deptype::text FROM pg_depend
		WHERE objid >= 16384 AND (refobjid >= 16384 OR refclassid = 'pg_namespace'::regclass)`)
	if err != nil {
		return nil, fmt.Errorf("listing the dependencies: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d dependency, err error) {
		if err = row.Scan(&d.from.class, &d.from.oid, &d.to.class, &d.to.oid, &kind); err == nil {
			d.kind = rune(kind[0])
		}
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the dependencies: %w", err)
	}
	return newGraph(entries, kinds), nil
}

func nameExtensions(ctx context.Context, conn *pgx.Conn, extensions []object) ([]string, error) {
	rows, err := conn.Query(ctx, "SELECT extname::text FROM pg_extension WHERE oid = ANY ($1::text::oid[]) ORDER BY 1", oids(extensions))
	if err != nil {
		return nil, fmt.Errorf("naming the extensions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("naming the extensions: %w", err)
	}
	return names, nil
}

// describeMissing returns warnings that name what is missing and what needs it.
func describeMissing(ctx context.Context, conn *pgx.Conn, left []missing) ([]string, error) {
	var classes, ids []object
	for _, m := range left {
		classes = append(classes, object{oid: m.needed.class}, object{oid: m.by.class})
		ids = append(ids, m.needed, m.by)
	}
	rows, err := conn.Query(ctx, `
		SELECT coalesce(pg_describe_object(u.c, u.o, 0), 'a dropped object')
		FROM unnest($1::text::oid[], $2::text::oid[]) WITH ORDINALITY u (c, o, n) ORDER BY u.n`, oids(classes), oids(ids))
	if err != nil {
		return nil, fmt.Errorf("naming what is missing: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("naming what is missing: %w", err)
	}
	var pairs, warnings []string
	for pair := range slices.Chunk(names, 2) {
		pairs = append(pairs, pair[0]+" (for "+pair[1]+")")
	}
	for some := range slices.Chunk(pairs, namedPerWarning) {
		warnings = append(warnings, "the selection leaves out what chosen objects need, and a restore into an empty database lacks it: "+strings.Join(some, ", "))
	}
	return warnings, nil
}

// oids writes a list as the server reads it.
func oids(objects []object) string {
	texts := make([]string, 0, len(objects))
	for _, o := range objects {
		texts = append(texts, fmt.Sprint(o.oid))
	}
	return "{" + strings.Join(texts, ",") + "}"
}

package rows

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Step is what is loaded at once: a table or, deferred to the end of one transaction,
// several that refer to each other.
type Step struct {
	Tables   []int // by their place
	Deferred bool
}

// reference is a foreign key between two tables, by their places.
type reference struct {
	from, to   int
	Name       string
	Deferrable bool
}

// Order is an order in which tables can be loaded while their foreign keys are in force.
func Order(ctx context.Context, conn *pgx.Conn, tables []Table) ([]Step, error) {
	rows, err := ask(ctx, conn, tables, `
		SELECT DISTINCT a.n, b.n, con.conname::text, con.condeferrable
		FROM pg_catalog.pg_constraint con JOIN family a ON a.oid = con.conrelid JOIN family b ON b.oid = con.confrelid
		WHERE con.contype = 'f' AND a.n <> b.n ORDER BY 1, 2, 3`)
	if err != nil {
		return nil, err
	}
	var keys []reference
	var k reference
	_, err = pgx.ForEachRow(rows, []any{&k.from, &k.to, &k.Name, &k.Deferrable}, func() error {
		keys = append(keys, reference{from: k.from - 1, to: k.to - 1, Name: k.Name, Deferrable: k.Deferrable})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for foreign keys: %w", err)
	}
	return order(tables, keys)
}

func order(tables []Table, keys []reference) ([]Step, error) {
	left := make([]int, len(tables))
	for n := range tables {
		left[n] = n
	}
	sorted, left := sortByKeys(left, keys)
	var steps []Step
	for _, n := range sorted {
		steps = append(steps, Step{Tables: []int{n}})
	}
	if len(left) == 0 {
		return steps, nil
	}
	atOnce := slices.DeleteFunc(slices.Clone(keys), func(k reference) bool { return k.Deferrable })
	together, cycle := sortByKeys(left, atOnce)
	if len(cycle) == 0 {
		return append(steps, Step{Tables: together, Deferred: true}), nil
	}
	var names []string
	for _, k := range atOnce {
		if slices.Contains(cycle, k.from) && slices.Contains(cycle, k.to) {
			names = append(names, fmt.Sprintf("%s of %s to %s", k.Name, tables[k.from], tables[k.to]))
		}
	}
	return nil, fmt.Errorf("this role cannot turn foreign keys off (session_replication_role), and there is no order of the tables in which these hold: %s: nothing was restored\nhint: restore as a superuser or, from PostgreSQL 15 on, let one GRANT SET ON PARAMETER session_replication_role to this role", strings.Join(names, ", "))
}

// sortByKeys sorts tables so that each comes after those that it refers to, and leaves what
// that cannot be done with.
func sortByKeys(tables []int, keys []reference) (sorted, left []int) {
	left = tables
	for {
		waits := func(n int) bool {
			return slices.ContainsFunc(keys, func(k reference) bool { return k.from == n && slices.Contains(left, k.to) })
		}
		var ready, rest []int
		for _, n := range left {
			if waits(n) {
				rest = append(rest, n)
			} else {
				ready = append(ready, n)
			}
		}
		if len(ready) == 0 {
			return sorted, left
		}
		sorted, left = append(sorted, ready...), rest
	}
}

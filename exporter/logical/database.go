package logical

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// kept databases are never dropped: others are made through them.
var kept = []string{"postgres", "template1"}

// step is what happens to the target database before its dump is restored.
type step struct {
	drop       bool
	create     bool
	clean      bool // drop each object
	properties bool // restore what the database is, apart from what is in it
}

// decide is pure: it turns the options and what is there into steps.
func decide(o *options.Export, source, target string, exists bool) (step, error) {
	own := slices.Contains(kept, target)
	switch {
	case !exists && (o.Clean || o.DataOnly):
		return step{}, fmt.Errorf("it does not exist\nhint: clean and data_only restore into a database that is there; create it, or use recreate=true")
	case !exists:
		return step{create: true, properties: true}, nil
	case o.Recreate && !own:
		return step{drop: true, create: true, properties: true}, nil
	default:
		return step{
			clean:      o.Clean || o.Recreate,
			properties: own && source == target && !o.DataOnly,
		}, nil
	}
}

// lookup reports whether the database exists.
func lookup(ctx context.Context, conn *pgx.Conn, name string) (exists bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", name).Scan(&exists)
	if err != nil {
		return false, fmt.Errorf("looking for the database: %w", err)
	}
	return exists, nil
}

// hasTables reports whether the database has tables of users.
func hasTables(ctx context.Context, info conninfo.Info, database string) (found bool, err error) {
	conn, err := info.Connect(ctx, database)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')`).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("looking for tables: %w", err)
	}
	return found, nil
}

// createSchemas creates those of the named schemas that are missing: pg_restore
// --schema restores what is in a schema, not the schema.
func createSchemas(ctx context.Context, info conninfo.Info, database string, names []string) error {
	conn, err := info.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, name := range names {
		if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("creating schema %q: %w", name, err)
		}
	}
	return nil
}

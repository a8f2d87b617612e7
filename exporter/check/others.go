package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
)

// readOthers reads the rows that pg_dump leaves out, those of materialized views and of the
// tables of extensions, and those that it did not come to after an error: so that every
// damaged table is named. Of the tables of extensions, pg_dump reads those rows only that the extension
// names.
func (s *server) readOthers(ctx context.Context, database string, found *content) error {
	conn, err := s.info.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("database %q: %w", plain(database), err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	all, err := relations(ctx, conn, found.names)
	if err != nil {
		return fmt.Errorf("listing the tables of database %q: %w", plain(database), err)
	}
	var errs []error
	const most = 20
	for _, r := range all {
		_, dumped := found.rows[r.relation]
		if dumped && !r.ofExtension {
			continue
		}
		n := lineCounter{progress: found.progress}
		_, err := conn.PgConn().CopyTo(ctx, &n, "COPY (SELECT * FROM ONLY "+pgx.Identifier{r.schema, r.name}.Sanitize()+") TO STDOUT")
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && len(errs) < most {
			errs = append(errs, fmt.Errorf("%s in database %q cannot be read: %w", found.named(r.relation), plain(database), err))
		}
		if conn.IsClosed() {
			return errors.Join(errs...)
		}
		switch {
		case err != nil:
		case dumped:
			found.whole[r.relation] = n.lines
		default:
			found.rows[r.relation] = n.lines
			found.bytes += n.bytes
		}
	}
	return errors.Join(errs...)
}

// otherRelation is a relation that pg_dump may not have read, or not all of it.
type otherRelation struct {
	relation
	ofExtension bool
}

// relations lists what has rows of its own, and notes the names in UTF-8.
func relations(ctx context.Context, conn *pgx.Conn, names map[relation]relation) ([]otherRelation, error) {
	// No encoding is known of a database in SQL_ASCII.
	rows, err := conn.Query(ctx, `SELECT n.nspname::text, c.relname::text,
		CASE WHEN pg_catalog.getdatabaseencoding() <> 'SQL_ASCII' THEN pg_catalog.convert_to(n.nspname::text, 'UTF8') END,
		CASE WHEN pg_catalog.getdatabaseencoding() <> 'SQL_ASCII' THEN pg_catalog.convert_to(c.relname::text, 'UTF8') END,
		EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relispopulated
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r otherRelation, err error) {
		var schema, name []byte
		err = row.Scan(&r.schema, &r.name, &schema, &name, &r.ofExtension)
		if schema != nil && string(schema)+string(name) != r.schema+r.name {
			names[r.relation] = relation{string(schema), string(name)}
		}
		return r, err
	})
}

// checkExtensions names the extensions that this machine does not have.
func (s *server) checkExtensions(ctx context.Context, database string) error {
	var missing []string
	err := s.query(ctx, database, `SELECT e.extname::text, e.extversion FROM pg_catalog.pg_extension e
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions() a WHERE a.name = e.extname AND a.version = e.extversion)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions() a WHERE a.name = e.extname) ORDER BY 1`, func(rows pgx.Rows) error {
		var name, version string
		err := rows.Scan(&name, &version)
		missing = append(missing, fmt.Sprintf("%s %s%s", name, version, packageHint(name, s.tools.Major)))
		return err
	})
	if err != nil {
		return fmt.Errorf("asking for the extensions of database %q: %w", plain(database), err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("database %q has extensions that are not installed on this machine: %s", plain(database), plain(strings.Join(missing, ", ")))
	}
	return nil
}

// otherCollations names the databases whose text sorts otherwise here than where the indexes
// were built.
func (s *server) otherCollations(ctx context.Context) (string, error) {
	const since = 15
	var names []string
	if s.tools.Major < since {
		return "", nil
	}
	err := s.query(ctx, s.info.ConnectsTo(), `SELECT datname::text FROM pg_catalog.pg_database
		WHERE datallowconn AND datcollversion <> pg_catalog.pg_database_collation_actual_version(oid) ORDER BY 1`, func(rows pgx.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, plain(name))
		return err
	})
	if err != nil || len(names) == 0 {
		return "", err
	}
	return "text sorts otherwise on this machine (another version of its locales), so that indexes on text may be found wrong here that are right there, in: " + strings.Join(names, ", "), nil
}

// version is what the server says of itself. Databases that accept no connections are closed;
// template0, which PostgreSQL makes, is not among them.
func (s *server) version(ctx context.Context) (version, systemID string, databases, closed []string, err error) {
	const sql = `SELECT pg_catalog.current_setting('server_version'), system_identifier::text, d.datname::text, d.datallowconn
		FROM pg_catalog.pg_control_system(), pg_catalog.pg_database d WHERE d.datallowconn OR d.datname <> 'template0' ORDER BY 3`
	err = s.query(ctx, s.info.ConnectsTo(), sql, func(rows pgx.Rows) error {
		var name string
		var open bool
		err := rows.Scan(&version, &systemID, &name, &open)
		if open {
			databases = append(databases, name)
		} else {
			closed = append(closed, fmt.Sprintf("%q", plain(name)))
		}
		return err
	})
	if err == nil {
		_, err = pgversion.Major(version)
	}
	return version, systemID, databases, closed, err
}

// rollbackPrepared rolls prepared transactions back, whose locks nobody else would ever release. It
// returns how many there were.
func (s *server) rollbackPrepared(ctx context.Context) (int, error) {
	type transaction struct{ rollback, database string }
	var all []transaction
	const sql = "SELECT pg_catalog.format('ROLLBACK PREPARED %L', gid), database::text FROM pg_catalog.pg_prepared_xacts"
	err := s.query(ctx, s.info.ConnectsTo(), sql, func(rows pgx.Rows) error {
		var t transaction
		err := rows.Scan(&t.rollback, &t.database)
		all = append(all, t)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, t := range all {
		if err := s.query(ctx, t.database, t.rollback, func(pgx.Rows) error { return nil }); err != nil {
			return 0, fmt.Errorf("database %q: %s: %w", plain(t.database), plain(t.rollback), err)
		}
	}
	return len(all), nil
}

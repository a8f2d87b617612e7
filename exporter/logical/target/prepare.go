package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// Database is a database that a dump, or the first part of one, can go into.
type Database struct {
	Plan
	Name       string     // in the bytes that the server has it in
	Properties Properties // none unless Plan.Properties
	Info       conninfo.Info
	HasTables  bool // before anything was restored
	// Replacement is not nil if this database takes the place of another one.
	Replacement *Replacement
}

// LastName is the name that it has, or will have when it has taken the place of another one.
func (d *Database) LastName() string {
	if d.Replacement != nil {
		return d.Replacement.old.name
	}
	return d.Name
}

// Dump is a dump, or the first part of one.
type Dump struct {
	TOC      *dumparchive.TOC
	Database string // that it was made of
	Parted   bool   // it has several files

	NoPublic  bool // its database had no schema public
	NoPlpgsql bool // nor the extension plpgsql

	Roles, Tablespaces map[string]bool // that it needs, in its encoding
	Size               int64           // of the database that was saved, in bytes; 0: not known
}

// errNotCleaned refuses to clean for a parted dump: the tables are created anew by the
// first part, and foreign keys that only the last one would drop hold the old ones.
var errNotCleaned = errors.New("the database has tables, and a dump in several files (layout=tables) cannot replace them one by one: nothing was touched\nhint: let recreate=true replace the whole database (but postgres and template1), or restore into another with the option database")

// Prepare makes the database ready that the dump goes into; target "" is one of the same
// name.
func Prepare(ctx context.Context, s *server.Server, o *options.Export, dump Dump, target string) (*Database, error) {
	d := new(Database)
	var exists bool
	var err error
	if d.Name, exists, err = Locate(ctx, s, o, dump, target); err != nil {
		return nil, err
	}
	d.Info = s.Info.WithDatabase(d.Name)
	if d.Plan, err = Decide(o, dump.Database, cmp.Or(target, dump.Database), exists); err != nil {
		return nil, err
	}
	if d.Plan.Properties {
		// A dump that does not have them is found out before anything is dropped.
		if d.Properties, err = ReadProperties(dump.TOC, o); err != nil {
			return nil, err
		}
		if s.Info.DropsOptions() {
			d.Properties.configureLast()
		}
	}
	if exists && !d.Replace {
		if err := d.Info.CheckTools(ctx); err != nil {
			return nil, err
		}
	}
	if err := d.execute(ctx, s, o, &dump); err != nil {
		return d, err
	}
	if !d.Create && !d.Replace {
		return d, nil
	}
	if err := d.Properties.GiveAway(ctx, s, d.Name); err != nil {
		return d, fmt.Errorf("giving it to its owner: %w", err)
	}
	return d, dropAbsent(ctx, s, d.Name, dump)
}

// Locate returns the name of the database that the dump goes into, in the bytes that the
// server has it in, and whether it is there.
func Locate(ctx context.Context, s *server.Server, o *options.Export, dump Dump, target string) (name string, exists bool, err error) {
	if name = target; target == "" {
		if name, err = serverName(ctx, s, dump, o); err != nil {
			return "", false, err
		}
	}
	exists, err = Exists(ctx, s, name)
	return name, exists, err
}

// serverName is the name of the database that was saved, in the bytes of the server: the two
// servers may have different encodings.
func serverName(ctx context.Context, s *server.Server, dump Dump, o *options.Export) (name string, err error) {
	p, err := ReadProperties(dump.TOC, o)
	if err != nil || isASCII(dump.Database) {
		return dump.Database, nil //nolint:nilerr // it is not certain yet that they are needed
	}
	err = s.WithSession(ctx, &p.script, func(session *server.Session) error {
		name, err = session.ServerName(ctx, p.name)
		return err
	})
	return name, err
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// execute does what is planned.
func (d *Database) execute(ctx context.Context, s *server.Server, o *options.Export, dump *Dump) (err error) {
	switch {
	case d.Replace:
		err = d.replace(ctx, s, o, dump)
	case d.Create:
		err = d.create(ctx, s)
	default:
		d.HasTables, err = hasTables(ctx, s, d.Name)
		if err == nil && dump.Parted && d.Clean && d.HasTables {
			err = errNotCleaned
		}
	}
	return err
}

// replace makes a new database. It is d from now on, unless the old one has gone already.
func (d *Database) replace(ctx context.Context, s *server.Server, o *options.Export, dump *Dump) error {
	r, err := beginReplacement(ctx, s, o, d, dump)
	if err != nil || r == nil {
		return err
	}
	if o.Recreate == options.RecreateFirst {
		if err := r.First(ctx); err != nil {
			return err
		}
		d.Replacement = r
		return nil
	}
	d.Name, d.Replacement = r.name, r
	d.Info = s.Info.WithDatabase(d.Name)
	return nil
}

func (d *Database) create(ctx context.Context, s *server.Server) error {
	return s.WithSession(ctx, &d.Properties.script, func(session *server.Session) error {
		name, err := session.Name(ctx, d.Name)
		if err == nil {
			err = session.Run(ctx, d.Properties.create.ForDatabase(ident(name)))
		}
		if err != nil {
			return fmt.Errorf("creating it: %w", createHint(err))
		}
		return nil
	})
}

// Exists reports whether the database exists.
func Exists(ctx context.Context, s *server.Server, name string) (exists bool, err error) {
	err = s.With(ctx, "", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", name).Scan(&exists)
	})
	if err != nil {
		return false, fmt.Errorf("looking for the database: %w", err)
	}
	return exists, nil
}

// hasTables reports whether the database has tables of users. An extension's own come with
// it, and no dump has them.
func hasTables(ctx context.Context, s *server.Server, name string) (found bool, err error) {
	err = s.With(ctx, name, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `
			SELECT EXISTS (
				SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
					AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = c.oid AND deptype = 'e'))`).Scan(&found)
	})
	if err != nil {
		return false, fmt.Errorf("looking for tables: %w", err)
	}
	return found, nil
}

// dropAbsent drops what template0 has and the database that was saved had not. What would be in
// it does not exist yet.
func dropAbsent(ctx context.Context, s *server.Server, database string, dump Dump) error {
	if !dump.NoPublic && !dump.NoPlpgsql {
		return nil
	}
	return s.With(ctx, database, func(conn *pgx.Conn) error {
		if dump.NoPublic {
			if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS public"); err != nil {
				return fmt.Errorf("dropping schema public, which the database did not have: %w", err)
			}
		}
		if !dump.NoPlpgsql {
			return nil
		}
		_, err := conn.Exec(ctx, "DROP EXTENSION IF EXISTS plpgsql")
		switch {
		case server.Code(err) == pgerrcode.InsufficientPrivilege: // it belongs to the first superuser
			slog.Warn(fmt.Sprintf("database %q has the extension plpgsql, which the one that was saved had not: only a superuser may drop it", database))
		case err != nil:
			return fmt.Errorf("dropping extension plpgsql, which the database did not have: %w", err)
		}
		return nil
	})
}

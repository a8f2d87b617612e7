package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/settings"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Properties are the statements that make a database what it was, apart from what is in
// it. pg_restore runs them only with --create, which knows no other name and no way back
// when the database cannot be created. They name the database that was saved.
type Properties struct {
	script   sqlscript.Script
	name     string                // in the script's encoding
	create   sqlscript.Statement   // CREATE DATABASE ...
	settings []sqlscript.Statement // ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE: the rows may depend on them
	rest     []sqlscript.Statement // owner, limits, privileges, comment
	// libraries are settings of what sessions load when they begin. No row depends on them,
	// and a library that the server lacks keeps everybody out.
	libraries []sqlscript.Statement
}

// ReadProperties reads them from a table of contents.
func ReadProperties(toc *dumparchive.TOC, o *options.Export) (Properties, error) {
	script, err := sqlscript.Parse(propertiesScript(toc, o))
	if err != nil {
		return Properties{}, fmt.Errorf("what the dump says of the database is not what pg_dump writes: %w", err)
	}
	p := Properties{script: script}
	for _, statement := range script.Statements {
		action := statement.Read()
		name := action.Database
		if name == "" && action.Class == sqlscript.Database && len(action.Names) == 1 {
			name = action.Names[0].Text
		}
		switch {
		case name == "":
		case action.Verb == sqlscript.Create && p.name == "":
			p.name, p.create = name, statement
		case name != p.name:
		case action.Verb == sqlscript.Configure && loads(action.Setting):
			p.libraries = append(p.libraries, statement)
		case action.Verb == sqlscript.Configure:
			p.settings = append(p.settings, statement)
		default:
			p.rest = append(p.rest, statement)
		}
	}
	if p.create.SQL == "" {
		return Properties{}, fmt.Errorf("the dump does not say how database %q was created", toc.Header.Database)
	}
	p.create = withPlaces(p.create, o)
	return p, nil
}

// loads reports whether a setting names libraries for sessions to load.
func loads(setting string) bool {
	return strings.EqualFold(setting, settings.SessionLibraries) || strings.EqualFold(setting, settings.LocalLibraries)
}

// withPlaces returns CREATE DATABASE with the locale and the tablespace that the options say.
// Source: dumpDatabase in src/bin/pg_dump/pg_dump.c
func withPlaces(create sqlscript.Statement, o *options.Export) sqlscript.Statement {
	var without, with []string
	if o.NoTablespaces {
		without = append(without, "TABLESPACE")
	}
	provider := o.LocaleProvider
	if provider != "" {
		without = append(without, "LOCALE_PROVIDER", "ICU_LOCALE", "ICU_RULES", "BUILTIN_LOCALE", "COLLATION_VERSION")
	}
	if provider == "icu" || provider == "builtin" {
		with = append(with, "LOCALE_PROVIDER = "+provider)
	}
	if o.Locale != "" {
		if provider == "" {
			provider = create.Option("LOCALE_PROVIDER")
		}
		without = append(without, "LOCALE", "LC_COLLATE", "LC_CTYPE", "ICU_LOCALE", "ICU_RULES", "BUILTIN_LOCALE", "COLLATION_VERSION")
		switch provider {
		case "icu":
			with = append(with, "ICU_LOCALE = "+sqlscript.Literal(o.Locale))
		case "builtin":
			with = append(with, "BUILTIN_LOCALE = "+sqlscript.Literal(o.Locale))
		default:
			with = append(with, "LC_COLLATE = "+sqlscript.Literal(o.Locale), "LC_CTYPE = "+sqlscript.Literal(o.Locale))
		}
	}
	return create.WithOptions(without, with...)
}

// configureLast leaves the settings that the sessions of a restore have otherwise for the end: they would reach
// the client tools where a connection pooler keeps ours from them.
func (p *Properties) configureLast() {
	var last []sqlscript.Statement
	p.settings = slices.DeleteFunc(p.settings, func(statement sqlscript.Statement) bool {
		reaches := settings.ReachesTools(statement.Read().Setting)
		if reaches {
			last = append(last, statement)
		}
		return reaches
	})
	p.rest = slices.Concat(last, p.rest) // the owner may lose the right to them
}

// createHint adds to the error of CREATE DATABASE which options help.
func createHint(err error) error {
	var pgErr *pgconn.PgError
	switch {
	case !errors.As(err, &pgErr):
		return err
	case pgErr.Code == pgerrcode.WrongObjectType, pgErr.Code == pgerrcode.InvalidParameterValue, pgErr.Code == pgerrcode.FeatureNotSupported, pgErr.Code == pgerrcode.SyntaxError:
		return fmt.Errorf("%w\nhint: where the server lacks the locale or its provider, the options locale and locale_provider choose others", err)
	case pgErr.Code == pgerrcode.UndefinedObject:
		return fmt.Errorf("%w\nhint: create the tablespace, or use no_tablespaces=true", err)
	}
	return err
}

// restHint adds to the error of a statement about the owner, the privileges or the limits of the new database which
// options help.
func restHint(err error) error {
	if server.Code(err) == pgerrcode.InsufficientPrivilege {
		return fmt.Errorf("%w\nhint: restore as a role that may, or use no_owner=true and no_privileges=true", err)
	}
	return err
}

// propertiesScript puts together what the table of contents has of the database.
// Source: _tocEntryRequired and _printTocEntry in src/bin/pg_dump/pg_backup_archiver.c
func propertiesScript(toc *dumparchive.TOC, o *options.Export) string {
	var script strings.Builder
	for n := range toc.Entries {
		e := &toc.Entries[n]
		ofDatabase := strings.HasPrefix(e.Tag, "DATABASE ")
		switch {
		case e.Desc == dumparchive.Encoding, e.Desc == dumparchive.StdStrings, e.Desc == "DATABASE PROPERTIES",
			ofDatabase && (e.Desc == "COMMENT" || e.Desc == "SECURITY LABEL"),
			ofDatabase && e.Desc == "ACL" && !o.NoPrivileges:
			script.WriteString(e.Defn + "\n")
		case e.Desc == "DATABASE":
			script.WriteString(e.Defn + "\n")
			if e.Owner != "" && !o.NoOwner {
				script.WriteString("ALTER DATABASE " + ident(e.Tag) + " OWNER TO " + ident(e.Owner) + ";\n")
			}
		}
	}
	return script.String()
}

// RestoreSettings restores what rows may depend on, for the database that is called target.
func (p *Properties) RestoreSettings(ctx context.Context, s *server.Server, target string, exitOnError bool) error {
	return p.run(ctx, s, p.settings, target, exitOnError)
}

// RestoreRest restores all other properties. They come last: the owner may lose rights by
// them, and a connection limit may keep the restore out.
func (p *Properties) RestoreRest(ctx context.Context, s *server.Server, target string, exitOnError bool) error {
	return p.run(ctx, s, p.rest, target, exitOnError)
}

// HasLibraries reports whether there is something for RestoreLibraries to do.
func (p *Properties) HasLibraries() bool { return len(p.libraries) > 0 }

// RestoreLibraries restores which libraries the sessions load, when nothing else is to be restored
// any more, and tries whether one is missing, so that nobody can connect to the database.
func (p *Properties) RestoreLibraries(ctx context.Context, s *server.Server, target string, exitOnError bool) error {
	if err := p.run(ctx, s, p.libraries, target, exitOnError); err != nil {
		return err
	}
	err := s.With(ctx, target, func(*pgx.Conn) error { return nil })
	if server.Code(err) != pgerrcode.UndefinedFile {
		return nil //nolint:nilerr // this role may be kept out for other reasons
	}
	return err
}

// GiveAway gives the database that is called target to its owner before anything is in it, for a role that
// is no superuser but has that role's rights: from PostgreSQL 15 on only the owner may give others objects in the
// schema public. An error is left to RestoreRest, which does it again.
// Source: https://www.postgresql.org/docs/15/release-15.html, pg_database_owner
func (p *Properties) GiveAway(ctx context.Context, s *server.Server, target string) error {
	n := slices.IndexFunc(p.rest, func(statement sqlscript.Statement) bool {
		action := statement.Read()
		return action.Class == sqlscript.Database && action.Verb == sqlscript.Alter && len(action.Roles) == 1
	})
	if n < 0 {
		return nil
	}
	return s.WithSession(ctx, &p.script, func(session *server.Session) error {
		name, err := session.Name(ctx, target)
		if err != nil {
			return err
		}
		var wanted bool
		err = session.Conn().QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND pg_catalog.pg_has_role(oid, 'USAGE'))
				AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)`, p.rest[n].Read().Roles[0].Text).Scan(&wanted)
		if err != nil || !wanted {
			return err
		}
		_ = session.Run(ctx, p.rest[n].ForDatabase(ident(name)))
		return nil
	})
}

func (p *Properties) run(ctx context.Context, s *server.Server, statements []sqlscript.Statement, target string, exitOnError bool) error {
	if len(statements) == 0 {
		return nil
	}
	return s.WithSession(ctx, &p.script, func(session *server.Session) error {
		name, err := session.Name(ctx, target)
		if err != nil {
			return err
		}
		renamed := make([]sqlscript.Statement, len(statements))
		for n, statement := range statements {
			renamed[n] = statement.ForDatabase(ident(name))
		}
		return session.RunAll(ctx, renamed, exitOnError)
	})
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

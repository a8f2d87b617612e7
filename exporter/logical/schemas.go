package logical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/globals"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// makeSchemas creates the schemas that the archive needs and does not define, with what is
// known of them.
func (r *restorer) makeSchemas(ctx context.Context, a *archive, database string) error {
	if len(a.schemas) == 0 {
		return nil
	}
	return r.server.With(ctx, database, func(conn *pgx.Conn) error {
		if target.Encoding(a.toc) != "" {
			if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('client_encoding', $1, false)", target.OfOptions); err != nil {
				return fmt.Errorf("preparing the session that creates schemas: %w", err)
			}
		}
		reset, err := r.resetsPrivileges(ctx, conn)
		if err != nil {
			return err
		}
		var errs []error
		for _, schema := range a.schemas {
			if schema.Owner == "" {
				slog.Warn(fmt.Sprintf("restoring database %q: schema %q belongs to the role that restores, and has no privileges: what was given does not say which it had", a.database, schema.Name))
			}
			for n, statement := range schemaStatements(&r.options, schema) {
				if n == 0 && reset {
					statement += ";" + resetPrivileges(&dumparchive.Entry{Desc: "SCHEMA", Tag: schema.Name})
				}
				// Several statements are one transaction.
				if _, err := conn.PgConn().Exec(ctx, statement).ReadAll(); err != nil {
					errs = append(errs, fmt.Errorf("creating schema %q: %w", schema.Name, err))
				}
			}
		}
		return errors.Join(errs...)
	})
}

// resetsPrivileges reports whether the database has default privileges, which would open or
// close what is created.
func (r *restorer) resetsPrivileges(ctx context.Context, conn *pgx.Conn) (some bool, err error) {
	if r.options.NoPrivileges {
		return false, nil
	}
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_default_acl)").Scan(&some); err != nil {
		return false, fmt.Errorf("looking for default privileges: %w", err)
	}
	return some, nil
}

// schemaStatements make a schema what it was.
func schemaStatements(o *options.Export, s manifest.ClusterSchema) []string {
	on := " ON SCHEMA " + quoted(s.Name)
	statements := []string{"CREATE SCHEMA " + quoted(s.Name)}
	if s.Owner == "" {
		return statements
	}
	if !o.NoOwner {
		statements = append(statements, "ALTER SCHEMA "+quoted(s.Name)+" OWNER TO "+quoted(s.Owner))
	}
	if s.Comment != nil {
		statements = append(statements, "COMMENT"+on+" IS "+sqlscript.Literal(*s.Comment))
	}
	if o.NoPrivileges {
		return statements
	}
	for _, privilege := range []string{"USAGE", "CREATE"} {
		if !slices.ContainsFunc(s.Grants, func(g manifest.Grant) bool { return g.Grantee == s.Owner && g.Privilege == privilege }) && !o.NoOwner {
			statements = append(statements, "REVOKE "+privilege+on+" FROM "+quoted(s.Owner))
		}
	}
	for _, grant := range s.Grants {
		if grant.Grantee == s.Owner || grant.Privilege != "USAGE" && grant.Privilege != "CREATE" {
			continue
		}
		statement := "GRANT " + grant.Privilege + on + " TO " + roleName(grant.Grantee)
		if grant.Grantable {
			statement += " WITH GRANT OPTION"
		}
		statements = append(statements, statement)
	}
	return statements
}

// needsOfSchemas returns the roles that own the schemas, and have privileges on them.
func needsOfSchemas(o *options.Export, schemas []manifest.ClusterSchema) globals.Needs {
	needs := globals.NewNeeds()
	needs.Encoding = "UTF8"
	for _, s := range schemas {
		if s.Owner != "" && !o.NoOwner {
			needs.Roles[s.Owner] = true
		}
		for _, grant := range s.Grants {
			if grant.Grantee != "public" && !o.NoPrivileges {
				needs.Roles[grant.Grantee] = true
			}
		}
	}
	return needs
}

func roleName(role string) string {
	if role == "public" { // which no role can be called
		return "PUBLIC"
	}
	return quoted(role)
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

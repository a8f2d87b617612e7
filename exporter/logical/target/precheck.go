package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// check finds out, before anything is touched, what would keep the new database from being
// complete, or from taking the old one's place, as far as that can be asked.
func (r *Replacement) check(ctx context.Context, session *server.Session, o *options.Export, dump *Dump) (found []string, err error) {
	conn := session.Conn()
	for _, look := range []func() ([]string, error){
		func() ([]string, error) { return r.checkRights(ctx, conn) },
		func() ([]string, error) { return r.checkAlone(ctx) },
		func() ([]string, error) { return r.checkSessions(ctx, conn) },
		func() ([]string, error) { return r.checkHeld(ctx, conn) },
		func() ([]string, error) { return checkLacking(ctx, conn, o, dump) },
	} {
		problems, err := look()
		if err != nil {
			return nil, fmt.Errorf("looking for what is in its way: %w", err)
		}
		found = append(found, problems...)
	}
	return found, nil
}

// checkRights asks whether this role may rename and drop the old database, and make one.
func (r *Replacement) checkRights(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var owns, inside bool
	err := conn.QueryRow(ctx, `
		SELECT pg_catalog.pg_has_role(datdba, 'USAGE'), datname = pg_catalog.current_database(),
			(SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
		FROM pg_catalog.pg_database WHERE oid = $1`, r.old.oid).Scan(&owns, &inside, &r.creates)
	var problems []string
	if !owns {
		problems = append(problems, "this role may neither rename nor drop the database: it is not its owner, nor a member of that")
	}
	if !r.creates {
		problems = append(problems, "this role may not create databases (CREATEDB)")
	}
	if inside {
		problems = append(problems, "it cannot be replaced from within: neither postgres nor template1 lets this role in\nhint: GRANT CONNECT ON DATABASE postgres, or name another database in the URI and the one to replace in the option database")
	}
	return problems, err
}

// checkHeld looks for what else keeps the old database from being renamed, or is lost
// with it.
func (r *Replacement) checkHeld(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	prepared, err := names(ctx, conn, "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = (SELECT datname FROM pg_catalog.pg_database WHERE oid = $1)", r.old.oid)
	if err != nil {
		return nil, err
	}
	slots, err := names(ctx, conn, "SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE datoid = $1", r.old.oid)
	if err != nil {
		return nil, err
	}
	others, err := names(ctx, conn, "SELECT subname::text FROM pg_catalog.pg_subscription WHERE subdbid = $1 AND (subenabled OR NOT $2) AND NOT pg_catalog.pg_has_role(subowner, 'USAGE')", r.old.oid, r.keep)
	if err != nil {
		return nil, err
	}
	var problems []string
	if len(others) > 0 {
		problems = append(problems, "it has subscriptions that this role may neither disable nor drop: "+quoted(others)+"\nhint: their owner can")
	}
	if len(prepared) > 0 {
		problems = append(problems, "it has prepared transactions: "+quoted(prepared)+"\nhint: COMMIT PREPARED or ROLLBACK PREPARED them")
	}
	if len(slots) > 0 && !r.force && !r.keep {
		problems = append(problems, "it has logical replication slots, which would be dropped with it: "+quoted(slots)+"\nhint: drop them, or let force=true do it")
	}
	return problems, nil
}

// checkLacking looks for what the dump needs and the server lacks.
func checkLacking(ctx context.Context, conn *pgx.Conn, o *options.Export, dump *Dump) ([]string, error) {
	extensions, methods := needed(dump.TOC)
	tablespaces := dump.Tablespaces
	if o.NoTablespaces {
		tablespaces = nil
	}
	var problems []string
	for _, kind := range []struct {
		what, hint, sql string
		wanted          map[string]bool
	}{
		{"extension", "install it on the server", "pg_catalog.pg_available_extensions WHERE name = wanted", extensions},
		{"role", "restore it with globals=all or globals=missing, create it, or use no_owner=true and no_privileges=true", "pg_catalog.pg_roles WHERE rolname = wanted", dump.Roles},
		{"tablespace", "create it, or use no_tablespaces=true", "pg_catalog.pg_tablespace WHERE spcname = wanted", tablespaces},
		// The new database has no others in the beginning, whatever this one has.
		// Source: FirstNormalObjectId in src/include/access/transam.h
		{"access method", "restore into a database that has it, without recreate", "pg_catalog.pg_am WHERE amname = wanted AND oid < 16384", methods},
	} {
		lacking, err := names(ctx, conn, "SELECT wanted FROM pg_catalog.unnest($1::text[]) AS wanted WHERE NOT EXISTS (SELECT FROM "+kind.sql+") ORDER BY 1", keys(kind.wanted))
		if err != nil {
			return nil, err
		}
		for _, name := range lacking {
			problems = append(problems, fmt.Sprintf("%s %q does not exist here, and the dump needs it", kind.what, name))
		}
		if len(lacking) > 0 {
			problems[len(problems)-1] += "\nhint: " + kind.hint
		}
	}
	return problems, nil
}

// needed returns the extensions of a dump, and the table access methods that it needs and does not bring. Which of
// them an extension brings, only installing it tells.
func needed(toc *dumparchive.TOC) (extensions, methods map[string]bool) {
	extensions, methods = make(map[string]bool), make(map[string]bool)
	brought, unknown := make(map[string]bool), false
	for n := range toc.Entries {
		e := &toc.Entries[n]
		if e.TableAM != "" {
			methods[e.TableAM] = true
		}
		switch e.Desc {
		case "EXTENSION":
			extensions[e.Tag] = true
			unknown = unknown || e.Tag != "plpgsql"
		case "ACCESS METHOD":
			brought[e.Tag] = true
		}
	}
	maps.DeleteFunc(methods, func(name string, _ bool) bool { return unknown || brought[name] })
	return extensions, methods
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for name := range set {
		if name != "" && name != "public" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func names(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, _ := conn.Query(ctx, sql, args...)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func quoted(list []string) string {
	all := make([]string, 0, len(list))
	for _, name := range list {
		all = append(all, fmt.Sprintf("%q", name))
	}
	return strings.Join(all, ", ")
}

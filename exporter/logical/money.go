package logical

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// moneyType is a column, attribute or domain of type money.
var moneyType = regexp.MustCompile(`(?m)^\s+\S.* money\b| AS money\b`)

// warnOfMoney says before a row is loaded into the database target that values of type money may
// mean something else: it is not known, or not so, that they were written with the lc_monetary
// that they are read with.
func (r *restorer) warnOfMoney(ctx context.Context, a *archive, target string) error {
	if r.options.SchemaOnly || !slices.ContainsFunc(a.toc.Entries, func(e dumparchive.Entry) bool {
		return slices.Contains([]string{"TABLE", "TYPE", "DOMAIN"}, e.Desc) && a.chooses(&e) && moneyType.MatchString(e.Defn)
	}) {
		return nil
	}
	read, err := readsMoney(ctx, r.server, target)
	if err != nil {
		return err
	}
	written := "it does not say with which lc_monetary"
	if d := r.cluster.database(a.database); d != nil && d.LCMonetary != nil {
		if asC(*d.LCMonetary) == asC(read) {
			return nil
		}
		written = "they were written with lc_monetary=" + *d.LCMonetary
	}
	way := "restore with the other one in the URI, ?options=-c%20lc_monetary=..."
	if r.server.Info.DropsOptions() {
		way = "connect to PostgreSQL itself: a connection pooler does not pass lc_monetary on"
	}
	slog.Warn(fmt.Sprintf("restoring database %q: the snapshot has columns of type money, and %s: they are read with lc_monetary=%s, which may make others of them (12,34 is 1234 in C); if they are wrong, %s", a.database, written, read, way))
	return nil
}

// readsMoney is the lc_monetary of pg_restore's sessions in the database.
func readsMoney(ctx context.Context, s *server.Server, database string) (value string, err error) {
	const name = "lc_monetary"
	if !s.Info.DropsOptions() {
		return s.Info.Settings()[name], nil
	}
	err = s.With(ctx, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT reset_val FROM pg_catalog.pg_settings WHERE name = '"+name+"'").Scan(&value)
	})
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", name, err)
	}
	return value, nil
}

// asC gives the names of the locale that every system has as one.
func asC(locale string) string {
	if locale == "POSIX" || locale == "" {
		return "C"
	}
	return locale
}

// databaseAt is the database whose dump, or directory of parts, is at the path.
func databaseAt(path string) (name string, ok bool) {
	if name, ok = recordname.Database(path); ok {
		return name, true
	}
	return recordname.Database(strings.TrimSuffix(path, "/") + ".dump")
}

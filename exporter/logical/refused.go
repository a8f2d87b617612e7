package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// refusedRows says that tables refused all their rows: what their checks call may read other
// tables, whose rows were not there yet.
type refusedRows struct {
	error
	tables    []string // without their schemas, as pg_restore names them
	refreshes int      // of materialized views, that failed
	others    int      // failures of anything else
}

// Unwrap returns the error itself.
func (e *refusedRows) Unwrap() error { return e.error }

// refusal adds to an error which tables refused their rows, if any did.
func (l *restoreLog) refusal(err error) error {
	if err == nil || len(l.refused) == 0 || !l.complete {
		return err
	}
	return &refusedRows{error: err, tables: l.refused, refreshes: l.refreshes, others: l.failures - len(l.refused) - l.refreshes - l.followers}
}

// noteRefused remembers what refusal is about.
func (l *restoreLog) noteRefused(line string) {
	message, _ := trimPrefix(line)
	if text, ok := strings.CutPrefix(message, `error: COPY failed for table "`); ok {
		if name, _, ok := strings.Cut(text, `": `); ok {
			l.refused = append(l.refused, name)
		}
	}
	switch {
	case strings.HasPrefix(line, "Command was: REFRESH MATERIALIZED VIEW"):
		l.refreshes++
	case strings.HasPrefix(line, "Command was: "+checkNow):
		l.followers++ // the transaction that they were refused in
	}
}

// refusedIn is what an error says of refused rows, of all runs of pg_restore that it is about;
// nil if none were refused.
func refusedIn(err error) *refusedRows {
	several, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // each level by itself
	if !ok {
		if one, ok := err.(*refusedRows); ok { //nolint:errorlint // each level by itself
			return one
		}
		if err = errors.Unwrap(err); err == nil {
			return nil
		}
		return refusedIn(err)
	}
	sum := &refusedRows{error: err}
	for _, each := range several.Unwrap() {
		one := refusedIn(each)
		if one == nil {
			sum.others++
			continue
		}
		sum.tables = append(sum.tables, one.tables...)
		sum.refreshes += one.refreshes
		sum.others += one.others
	}
	if len(sum.tables) == 0 {
		return nil
	}
	return sum
}

// refusedEntries are the entries to restore once more: rows of tables that have none, then
// the foreign keys that are missing, and materialized views.
func (r *restorer) refusedEntries(ctx context.Context, a *archive, database string, refused *refusedRows) (ids []int, keys int, err error) {
	_, _, encoding, err := rowsOf([]*archive{a}, all)
	if err != nil {
		return nil, 0, err
	}
	var views []int
	err = r.server.WithSessionIn(ctx, database, &sqlscript.Script{Encoding: encoding}, func(session *server.Session) error {
		for n := range a.toc.Entries {
			e := &a.toc.Entries[n]
			if !a.chooses(e) {
				continue
			}
			var again bool
			var err error
			switch {
			case e.Desc == tableRows && slices.Contains(refused.tables, e.Tag):
				err = session.Conn().QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM ONLY "+pgx.Identifier{e.Namespace, e.Tag}.Sanitize()+")").Scan(&again)
			case e.Desc == "FK CONSTRAINT" && refused.others > 0:
				err = session.Conn().QueryRow(ctx, missingKey, e.Namespace, e.Tag).Scan(&again)
				keys += count(again)
			case e.Desc == viewRows:
				views = append(views, e.DumpID)
			}
			if err != nil {
				return err
			}
			if again {
				ids = append(ids, e.DumpID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("looking for tables that refused their rows: %w", err)
	}
	if len(ids) > 0 {
		ids = append(ids, views...)
	}
	return ids, keys, nil
}

// missingKey asks whether a foreign key is missing, of which the tag has the names of table
// and key.
const missingKey = `
	SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
		JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
		WHERE k.contype = 'f' AND s.nspname = $1 AND c.relname || ' ' || k.conname = $2)`

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// noteChecks finds the tables whose definitions have checks, which may refuse rows.
func (d *partedDump) noteChecks(toc *dumparchive.TOC) {
	d.checked = map[[2]string]bool{}
	for n := range toc.Entries {
		e := &toc.Entries[n]
		calls := strings.Contains(e.Defn, "CHECK (") || strings.Contains(e.Defn, "GENERATED ALWAYS AS (")
		switch {
		case e.Desc == "TABLE" && calls:
			d.checked[[2]string{e.Namespace, e.Tag}] = true
		case e.Desc == "DOMAIN" && calls:
			d.checkedTypes = true
		}
	}
}

// mayRefuse reports whether rows in the part may be refused that another time would not be.
func (d *partedDump) mayRefuse(p *part) (bool, error) {
	if p.section != recordname.Data || d.options.SchemaOnly {
		return false, nil
	}
	if err := p.readTOC(); err != nil {
		return false, err
	}
	return slices.ContainsFunc(p.toc.Entries, func(e dumparchive.Entry) bool {
		return e.Desc == tableRows && (d.checkedTypes || d.checked[[2]string{e.Namespace, e.Tag}])
	}), nil
}

package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/rows"
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

// refusedEntries are the entries to restore once more: rows of tables that have none, without
// the triggers that are there by now, then the foreign keys that are missing, and materialized
// views. They may be new ones in the archive.
func (r rowLoader) refusedEntries(ctx context.Context, a *archive, refused *refusedRows) (ids []int, keys int, err error) {
	data, tables, encoding, err := rowsOf([]*archive{a}, func(e *dumparchive.Entry) bool { return slices.Contains(refused.tables, e.Tag) })
	if err != nil {
		return nil, 0, err
	}
	var frames map[int]rows.Frame
	var missing []int
	err = r.server.WithSessionIn(ctx, r.info.ConnectsTo(), &sqlscript.Script{Encoding: encoding}, func(session *server.Session) error {
		if data, tables, err = emptyTables(ctx, session.Conn(), data, tables); err != nil {
			return err
		}
		if frames, err = rows.Frames(ctx, session.Conn(), tables, false); err != nil {
			return err
		}
		if refused.others > 0 {
			missing, err = missingKeys(ctx, session.Conn(), a)
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("looking for tables that refused their rows: %w", err)
	}
	if len(data)+len(missing) == 0 {
		return nil, 0, nil
	}
	following := missing
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; e.Desc == viewRows && a.chooses(e) {
			following = append(following, e.DumpID)
		}
	}
	changed := false
	for n := range data {
		step, framed, err := frameStep(a, data, rows.Step{Tables: []int{n}}, frames)
		if err != nil {
			return nil, 0, err
		}
		ids, changed = append(ids, step...), changed || framed
	}
	if changed {
		err = a.rewrite(r.files)
	}
	return append(ids, following...), len(missing), err
}

// emptyTables are those among the tables that have no rows.
func emptyTables(ctx context.Context, conn *pgx.Conn, data []tableData, tables []rows.Table) (ofEmpty []tableData, empty []rows.Table, err error) {
	for n, t := range tables {
		var none bool
		if err := conn.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM ONLY "+pgx.Identifier{t.Schema, t.Name}.Sanitize()+")").Scan(&none); err != nil {
			return nil, nil, err
		}
		if none {
			ofEmpty, empty = append(ofEmpty, data[n]), append(empty, t)
		}
	}
	return ofEmpty, empty, nil
}

// missingKeys are the dump IDs of the archive's foreign keys that are missing.
func missingKeys(ctx context.Context, conn *pgx.Conn, a *archive) (ids []int, err error) {
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		if e.Desc != "FK CONSTRAINT" || !a.chooses(e) {
			continue
		}
		var missing bool
		if err := conn.QueryRow(ctx, missingKey, e.Namespace, e.Tag).Scan(&missing); err != nil {
			return nil, err
		}
		if missing {
			ids = append(ids, e.DumpID)
		}
	}
	return ids, nil
}

// missingKey asks whether a foreign key is missing, of which the tag has the names of table
// and key.
const missingKey = `
	SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
		JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
		WHERE k.contype = 'f' AND s.nspname = $1 AND c.relname || ' ' || k.conname = $2)`

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

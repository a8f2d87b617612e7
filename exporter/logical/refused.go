package logical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
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

// retryRows restores the rows once more that were refused, as now all other rows are there,
// and what was built without them. err is what the first time came to.
func (r *restorer) retryRows(ctx context.Context, a *archive, info conninfo.Info, err error) error {
	var refused *refusedRows
	switch {
	case !errors.As(err, &refused), r.options.ExitOnError, ctx.Err() != nil:
		return err
	case a.file == nil:
		return fmt.Errorf("%w\nhint: if a table's checks read other tables, whose rows came later: jobs=2 keeps the dump in spool_dir, and tries refused rows once more in the end", err)
	}
	ids, keys, retryErr := r.refusedEntries(ctx, a, info.ConnectsTo(), refused)
	if retryErr == nil && len(ids) == 0 {
		return err
	}
	if retryErr == nil {
		retryErr = r.restoreIDs(ctx, a, info, pgtools.Restore{}, ids)
	}
	return refused.outcome(err, retryErr, keys)
}

// retryData is retryRows where only rows are restored, into tables that may have others.
func (r *restorer) retryData(ctx context.Context, a *archive, info conninfo.Info, loaded *loadedTables, err error) error {
	var refused *refusedRows
	if a.file == nil || !errors.As(err, &refused) || r.options.ExitOnError || ctx.Err() != nil {
		return r.retryRows(ctx, a, info, err)
	}
	tables := map[string]int{}
	for n := range a.toc.Entries {
		if a.toc.Entries[n].Desc == tableRows {
			tables[a.toc.Entries[n].Tag]++
		}
	}
	// Which of several tables of a name refused its rows is not known.
	if slices.ContainsFunc(refused.tables, func(name string) bool { return tables[name] != 1 }) {
		return err
	}
	failures, retryErr := r.loadRows(ctx, []*archive{a}, info, loaded, func(e *dumparchive.Entry) bool {
		return e.Desc == tableRows && slices.Contains(refused.tables, e.Tag)
	})
	return refused.outcome(err, errors.Join(retryErr, failures[a]), 0)
}

// outcome is what has become of err, when keys that failed were restored with the rows.
func (e *refusedRows) outcome(err, retryErr error, keys int) error {
	switch {
	case retryErr != nil:
		return errors.Join(err, fmt.Errorf("once more, when all other rows were there: %w", retryErr))
	case e.others > keys:
		return fmt.Errorf("%w\nthe rows of %s were restored once all other rows were there", err, strings.Join(e.tables, ", "))
	default:
		return nil
	}
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

// keepRefused keeps a part with refused rows for retryRefused.
func (d *partedDump) keepRefused(p *part, err error) bool {
	var refused *refusedRows
	if p.section != recordname.Data || p.file == nil || d.options.ExitOnError || !errors.As(err, &refused) {
		return false
	}
	d.refusedMu.Lock()
	defer d.refusedMu.Unlock()
	d.refused = append(d.refused, refusedPart{p, err})
	return true
}

// refusedPart is a part with refused rows.
type refusedPart struct {
	*part
	err error
}

// retryRefused restores the rows once more that were refused, now that all others are there,
// and acknowledges their parts.
func (d *partedDump) retryRefused(ctx context.Context) {
	d.refusedMu.Lock()
	parts := d.refused
	d.refused = nil
	d.refusedMu.Unlock()
	for _, p := range parts {
		if d.options.DataOnly {
			_ = p.report(d.retryData(ctx, p.archive, d.targetInfo(), &d.loaded, p.err))
			continue
		}
		_ = p.report(d.retryRows(ctx, p.archive, d.targetInfo(), p.err))
	}
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

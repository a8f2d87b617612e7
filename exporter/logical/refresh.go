package logical

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/rows"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// viewRows is the kind of entry that refreshes a materialized view.
const viewRows = "MATERIALIZED VIEW DATA"

// refreshViews refreshes materialized views where only rows were restored, which pg_restore
// does not do then: those that the archive refreshes, if they were chosen or read the rows.
// The others that read them are named. The archive may be nil.
func (r rowLoader) refreshViews(ctx context.Context, a *archive) error {
	if !r.loaded.some {
		return nil // nothing was touched
	}
	refreshed, named, known := viewsOf(a)
	var views []rows.View
	err := r.server.WithSessionIn(ctx, r.info.ConnectsTo(), &sqlscript.Script{Encoding: r.loaded.encoding}, func(session *server.Session) (err error) {
		views, err = rows.Views(ctx, session.Conn(), r.loaded.tables, named)
		return err
	})
	if err != nil {
		return err
	}
	ids := map[int]bool{}
	var stale []string
	for _, view := range views {
		e := refreshed[view.Table]
		switch {
		case e != nil && (view.Reads || a.chooses(e)):
			ids[e.DumpID] = true
		case view.Reads && (view.Populated || !known):
			stale = append(stale, view.String())
		}
	}
	if len(stale) > 0 {
		slog.Warn(fmt.Sprintf("database %q: materialized views read the restored rows, and were not refreshed, as what was restored does not do that: REFRESH MATERIALIZED VIEW brings them up to date: %s", r.info.ConnectsTo(), limited(stale)))
	}
	if len(ids) == 0 {
		return nil
	}
	return r.refresh(ctx, a, ids)
}

// viewsOf are the entries of the archive that refresh views, and the views. known says whether that
// tells which views had rows: a dump of rows alone does not.
func viewsOf(a *archive) (refreshed map[rows.Table]*dumparchive.Entry, named []rows.Table, known bool) {
	if a == nil || a.toc == nil {
		return nil, nil, false
	}
	refreshed = map[rows.Table]*dumparchive.Entry{}
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; e.Desc == viewRows {
			view := rows.Table{Schema: e.Namespace, Name: e.Tag}
			refreshed[view], named = e, append(named, view)
		}
	}
	return refreshed, named, !hasRowsOnly(a.toc)
}

// refresh runs the entries of an archive whose data may have been read already: it is left
// out of what pg_restore is given.
func (r rowLoader) refresh(ctx context.Context, a *archive, ids map[int]bool) error {
	var front bytes.Buffer
	if _, err := a.toc.WriteTo(&front); err != nil {
		return fmt.Errorf("refreshing materialized views: %w", err)
	}
	views := newArchive(a.database, &front)
	views.jobs, views.chosen = a.jobs, ids
	err := views.spool(r.files)
	if err == nil {
		err = views.readTOC()
	}
	if err == nil {
		err = r.restoreEntries(ctx, views, r.info, pgtools.Restore{Jobs: a.jobs, Refresh: true}, all)
	}
	if closeErr := views.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("refreshing materialized views, when the rows were there: %w", err)
	}
	return nil
}

package logical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/rows"
	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// loadAsReplica makes the sessions that follow those of a restore of rows only: none of ours fires an event
// trigger either, if the role may have that.
func (r *restorer) loadAsReplica(ctx context.Context, s *server.Server) (err error) {
	if r.asReplica, err = replicaSettings(ctx, s); err == nil {
		s.Info = s.Info.WithoutEventTriggers()
	}
	return err
}

// replicaSettings are the settings with which no trigger fires and no foreign key is
// checked, but for those that are made to: nil if the role may not set them. The tools are
// given them when they connect, and so it is tried.
func replicaSettings(ctx context.Context, s *server.Server) (map[string]string, error) {
	const role, eventTriggers = "session_replication_role", "event_triggers"
	for _, values := range []map[string]string{{role: "replica", eventTriggers: "off"}, {role: "replica"}} {
		if _, set := values[eventTriggers]; set && s.Major < 17 {
			continue
		}
		var got string
		tried := *s
		tried.Info = s.Info.AsTool().WithSettings(values)
		err := tried.With(ctx, "", func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('"+role+"')").Scan(&got)
		})
		switch {
		case err == nil && got == "replica" && !s.Info.DropsOptions():
			return values, nil
		case err != nil && server.Code(err) != pgerrcode.InsufficientPrivilege:
			return nil, fmt.Errorf("trying %s=replica: %w", role, err)
		}
	}
	slog.Warn("this role may not set session_replication_role: the rows are loaded table by table in the order of their foreign keys, and triggers are disabled table by table")
	return nil, nil
}

// rowsInOrder reports whether tables have to be loaded in the order of their foreign keys.
func (r *runner) rowsInOrder() bool { return r.options.DataOnly && r.asReplica == nil }

// loadedTables are the tables of a database that rows were loaded into.
type loadedTables struct {
	mu       sync.Mutex
	some     bool   // it was tried
	encoding string // that their names are in
	tables   []rows.Table
}

func (l *loadedTables) add(encoding string, tables []rows.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.some, l.encoding, l.tables = true, encoding, append(l.tables, tables...)
}

// rowLoader loads rows into the tables of one database.
type rowLoader struct {
	*runner
	info   conninfo.Info // of the database
	loaded *loadedTables // nil where definitions are restored as well
}

// check checks what was not in force while rows were loaded.
func (r rowLoader) check(ctx context.Context) error {
	if r.asReplica == nil || len(r.loaded.tables) == 0 {
		return nil
	}
	// Event triggers are for REINDEX, too.
	quiet := *r.server
	quiet.Info = quiet.Info.WithSettings(r.asReplica)
	return quiet.WithSessionIn(ctx, r.info.ConnectsTo(), &sqlscript.Script{Encoding: r.loaded.encoding}, func(session *server.Session) error {
		return rows.Check(ctx, session.Conn(), r.loaded.tables)
	})
}

// tableRows is the kind of entry that has the rows of a table.
const tableRows = "TABLE DATA"

// tableData is an entry with the rows of a table.
type tableData struct {
	archive *archive
	dumpID  int
}

// rowsOf lists the rows that the archives hold, of those entries which keep is true of, and
// the encoding of the tables' names.
func rowsOf(archives []*archive, keep func(*dumparchive.Entry) bool) (data []tableData, tables []rows.Table, encoding string, err error) {
	for _, a := range archives {
		if e := a.toc.Find(dumparchive.Encoding); e != nil {
			script, err := sqlscript.Parse(e.Defn)
			if err != nil {
				return nil, nil, "", err
			}
			encoding = script.Encoding
		}
		for n := range a.toc.Entries {
			if e := &a.toc.Entries[n]; e.Desc == tableRows && a.chooses(e) && keep(e) {
				data = append(data, tableData{a, e.DumpID})
				tables = append(tables, rows.Table{Schema: e.Namespace, Name: e.Tag})
			}
		}
	}
	return data, tables, encoding, nil
}

// load restores the rows in the archives, and what else is no definition, into tables
// that are there. No trigger fires, and all are as they were afterwards, or if anything
// fails, or when the restore is killed: each is disabled in the transaction that loads the
// table, and enabled before that ends.
func (r rowLoader) load(ctx context.Context, archives []*archive, keep func(*dumparchive.Entry) bool) (map[*archive]error, error) {
	for _, a := range archives {
		if err := a.readTOC(); err != nil {
			return nil, err
		}
		if r.rowsInOrder() && a.file == nil {
			if err := a.spool(r.files); err != nil {
				return nil, err
			}
		}
	}
	data, tables, encoding, err := rowsOf(archives, keep)
	if err != nil {
		return nil, err
	}
	steps, frames, err := r.plan(ctx, tables, encoding)
	if err != nil {
		return nil, err
	}
	runs, err := r.runsOf(archives, data, steps, frames, keep)
	if err != nil {
		return nil, err
	}
	r.loaded.add(encoding, tables)
	return r.run(ctx, runs), nil
}

// run runs pg_restore for each run, and returns the errors of each archive.
func (r rowLoader) run(ctx context.Context, runs []rowsRun) map[*archive]error {
	failures := map[*archive]error{}
	for _, run := range runs {
		if len(run.ids) == 0 {
			continue
		}
		err := r.restoreIDs(ctx, run.archive, r.info, pgtools.Restore{Jobs: run.jobs}, run.ids)
		failures[run.archive] = errors.Join(failures[run.archive], err)
		if err != nil && (r.options.ExitOnError || ctx.Err() != nil) {
			break
		}
	}
	return failures
}

// plan asks the database how the tables can be loaded.
func (r rowLoader) plan(ctx context.Context, tables []rows.Table, encoding string) (steps []rows.Step, frames map[int]rows.Frame, err error) {
	err = r.server.WithSessionIn(ctx, r.info.ConnectsTo(), &sqlscript.Script{Encoding: encoding}, func(session *server.Session) error {
		if frames, err = rows.Frames(ctx, session.Conn(), tables, !r.rowsInOrder()); err != nil {
			return err
		}
		if r.rowsInOrder() {
			steps, err = rows.Order(ctx, session.Conn(), tables)
			return err
		}
		for n := range tables {
			steps = append(steps, rows.Step{Tables: []int{n}})
		}
		return nil
	})
	return steps, frames, err
}

// rowsRun is a run of pg_restore.
type rowsRun struct {
	archive *archive
	jobs    int
	ids     []int // dump IDs, in order
}

// runsOf are the runs of pg_restore that the steps take. What needs statements around it,
// or an order, is for one connection; but a stream is read once.
func (r rowLoader) runsOf(archives []*archive, data []tableData, steps []rows.Step, frames map[int]rows.Frame, keep func(*dumparchive.Entry) bool) ([]rowsRun, error) {
	var serial []rowsRun
	size, changed, free := map[*archive]int{}, map[*archive]bool{}, map[tableData][]int{}
	for _, a := range archives {
		size[a] = len(a.toc.Entries)
	}
	for _, step := range steps {
		first := data[step.Tables[0]]
		a := first.archive
		ids, framed, err := frameStep(a, data, step, frames)
		if err != nil {
			return nil, err
		}
		changed[a] = changed[a] || framed
		switch {
		case !framed && !r.rowsInOrder() || a.file == nil:
			free[first] = ids
		case len(serial) > 0 && serial[len(serial)-1].archive == a:
			serial[len(serial)-1].ids = append(serial[len(serial)-1].ids, ids...)
		default:
			serial = append(serial, rowsRun{archive: a, jobs: 1, ids: ids})
		}
	}
	var runs []rowsRun
	for _, a := range archives {
		runs = append(runs, freeRun(a, size[a], free, keep))
		if changed[a] {
			if err := a.rewrite(r.files); err != nil {
				return nil, err
			}
		}
	}
	return append(runs, serial...), nil
}

// freeRun is the run for what may be restored with as many connections as there are, among the first
// entries of an archive.
func freeRun(a *archive, size int, free map[tableData][]int, keep func(*dumparchive.Entry) bool) rowsRun {
	run := rowsRun{archive: a, jobs: a.jobs}
	for n := range size {
		switch e := &a.toc.Entries[n]; {
		case e.Desc == tableRows:
			run.ids = append(run.ids, free[tableData{a, e.DumpID}]...)
		case a.chooses(e) && keep(e):
			run.ids = append(run.ids, e.DumpID)
		}
	}
	return run
}

// frameStep puts statements around the tables of a step, if it takes any.
func frameStep(a *archive, data []tableData, step rows.Step, frames map[int]rows.Frame) (ids []int, framed bool, err error) {
	var all []rows.Frame
	for _, n := range step.Tables {
		if data[n].archive != a {
			return nil, false, errors.New("tables that refer to each other are in several files of the snapshot (layout=tables), and this role cannot turn their foreign keys off (session_replication_role): nothing was restored\nhint: restore as a superuser")
		}
		ids = append(ids, data[n].dumpID)
		if f, ok := frames[n]; ok {
			all = append(all, f)
		}
	}
	if len(all) == 0 && !step.Deferred {
		return ids, false, nil
	}
	f := rows.Join(all...)
	begin := "BEGIN;\n" + f.Before
	if step.Deferred {
		begin += "SET CONSTRAINTS ALL DEFERRED;\n"
	}
	add := func(sql string) int {
		id := a.toc.InsertSQL(len(a.toc.Entries), "rows", sql)
		if a.chosen != nil {
			a.chosen[id] = true
		}
		return id
	}
	ids = slices.Concat([]int{add(begin)}, ids)
	// A table with checks that are yet to come cannot be altered.
	return append(ids, add(checkNow+"\n"+f.After), add("COMMIT;")), true, nil
}

// checkNow begins what is run when rows have been loaded.
const checkNow = "SET CONSTRAINTS ALL IMMEDIATE;"

// chooses reports whether the entry is to be restored.
func (a *archive) chooses(e *dumparchive.Entry) bool { return a.chosen == nil || a.chosen[e.DumpID] }

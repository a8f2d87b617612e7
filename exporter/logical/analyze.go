package logical

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// restoredTables are the tables and materialized views that archives of one database have
// restored, for the planner's statistics of them.
type restoredTables struct {
	encoding       string // the statement that sets that of the names
	schemas, names []string
	rows           bool // of any of them
	statistics     bool // the archives brought them along
}

// add enters what was restored of an archive.
func (t *restoredTables) add(r *runner, a *archive) {
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		if a.chosen != nil && !a.chosen[e.DumpID] && e.Desc != dumparchive.Encoding {
			continue
		}
		switch e.Desc {
		case dumparchive.Encoding:
			t.encoding = e.Defn
		case dumparchive.StatisticsData:
			t.statistics = t.statistics || r.takes(e.Desc) && !r.options.DataOnly
		case "TABLE", "MATERIALIZED VIEW", tableRows, viewRows:
			t.rows = t.rows || strings.HasSuffix(e.Desc, "DATA")
			t.schemas, t.names = append(t.schemas, e.Namespace), append(t.names, e.Tag)
		}
	}
}

// analyze makes the planner's statistics of what was restored if the options say so, with
// several connections. The rows are safe without: what fails is a warning, and only the end
// of ctx an error. The same tables are not analyzed again. They are in database, which may get the name
// that source is restored under only later.
func (r *restorer) analyze(ctx context.Context, source, database string, jobs int, t *restoredTables) error {
	done := *t
	*t = restoredTables{}
	switch {
	case !done.rows || r.options.SchemaOnly:
		return nil
	case !r.options.Analyze:
		if !done.statistics {
			r.unanalyzed.add(r.targetOf(source))
		}
		return nil
	}
	script, err := sqlscript.Parse(done.encoding)
	if err == nil {
		err = analyzeTables(ctx, r.server, database, jobs, &script, &done)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		slog.Warn(fmt.Sprintf("database %q is restored, but could not be analyzed: %v: run ANALYZE there, or leave it to autovacuum", r.targetOf(source), err))
	}
	return nil
}

// analyzeRestored is analyze for one archive.
func (r *restorer) analyzeRestored(ctx context.Context, database string, a *archive) error {
	var t restoredTables
	t.add(&r.runner, a)
	return r.analyze(ctx, a.database, database, a.jobs, &t)
}

func analyzeTables(ctx context.Context, s *server.Server, database string, jobs int, script *sqlscript.Script, t *restoredTables) error {
	var tables []string
	err := s.WithoutEventTriggers().WithSessionIn(ctx, database, script, func(session *server.Session) (err error) {
		tables, err = listTables(ctx, session.Conn(), s.Major, t)
		return err
	})
	if err != nil {
		return fmt.Errorf("listing what was restored: %w", err)
	}
	queue := make(chan string, len(tables))
	for _, table := range tables {
		queue <- table
	}
	close(queue)
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		errs    server.Errors
	)
	for range min(jobs, len(tables)) {
		workers.Go(func() {
			failed, err := analyzeQueue(ctx, s, database, script, queue)
			mu.Lock()
			defer mu.Unlock()
			for _, err := range append(failed, err) {
				errs.Add(err)
			}
		})
	}
	workers.Wait()
	return errs.Err()
}

// analyzeQueue analyzes tables in one session, also past the failure of one. err is one of
// the session.
func analyzeQueue(ctx context.Context, s *server.Server, database string, script *sqlscript.Script, queue <-chan string) (failed []error, err error) {
	err = s.WithoutEventTriggers().WithSessionIn(ctx, database, script, func(session *server.Session) error {
		for table := range queue {
			err := session.Run(ctx, sqlscript.Statement{SQL: "ANALYZE " + table})
			if err != nil && (session.Lost() || ctx.Err() != nil) {
				return err
			}
			if err != nil {
				failed = append(failed, err)
			}
		}
		return nil
	})
	return failed, err
}

// Analyzing a partitioned table analyzes its partitions, too, unless ONLY is said.
// Source: https://www.postgresql.org/docs/18/release-18.html
const analyzesOnlySince = 18

// Who may analyze a table: who may act as its owner or as the database's, and from version
// 17 on who has the privilege MAINTAIN. Others get a notice, and nothing is done.
// Source: vacuum_is_permitted_for_relation in src/backend/commands/vacuum.c
const (
	maintainSince = 17
	mayAnalyze    = `(pg_catalog.pg_has_role(named.relowner, 'USAGE') OR pg_catalog.pg_has_role(
		(SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), 'USAGE')`
	mayMaintain = ` OR pg_catalog.has_table_privilege(named.oid, 'MAINTAIN')`
)

// listTables returns what ANALYZE is to be told, the largest tables first.
func listTables(ctx context.Context, conn *pgx.Conn, major int, t *restoredTables) ([]string, error) {
	may := mayAnalyze + ")"
	if major >= maintainSince {
		may = mayAnalyze + mayMaintain + ")"
	}
	rows, _ := conn.Query(ctx, `
		WITH named AS MATERIALIZED (
			SELECT DISTINCT c.oid, c.relowner, c.relkind, c.relispartition, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
			FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS t (schema, name)
			JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema::pg_catalog.name
			JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name::pg_catalog.name
			WHERE c.relkind IN ('r', 'p', 'm')
		)
		SELECT CASE WHEN $3 AND relkind = 'p' THEN 'ONLY ' ELSE '' END || name, `+may+`
		FROM named
		WHERE $3 OR NOT (relispartition AND EXISTS (
			SELECT FROM pg_catalog.pg_partition_ancestors(named.oid) a JOIN named parent ON parent.oid = a.relid WHERE parent.oid <> named.oid))
		ORDER BY pg_catalog.pg_table_size(oid) DESC`, t.schemas, t.names, major >= analyzesOnlySince)
	var tables, refused []string
	var name string
	var allowed bool
	_, err := pgx.ForEachRow(rows, []any{&name, &allowed}, func() error {
		if allowed {
			tables = append(tables, name)
		} else {
			refused = append(refused, name)
		}
		return nil
	})
	if err == nil && len(refused) > 0 {
		slog.Warn("this role may not analyze " + limited(refused))
	}
	return tables, err
}

// nameList collects names from several goroutines.
type nameList struct {
	mu    sync.Mutex
	names []string
}

func (l *nameList) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = append(l.names, fmt.Sprintf("%q", name))
}

// reportUnanalyzed says which databases have no statistics.
func (r *restorer) reportUnanalyzed() {
	if names := r.unanalyzed.names; len(names) > 0 {
		slices.Sort(names)
		slog.Info(fmt.Sprintf("there are no statistics for the planner yet of what was restored into %s: queries may be slow until ANALYZE was run, by autovacuum or by you; analyze=true lets the restore do it", limited(slices.Compact(names))))
	}
}

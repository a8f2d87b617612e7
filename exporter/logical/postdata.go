package logical

import (
	"context"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// buildInParallel restores the last part with several connections: the indexes and keys
// at once, which take time and lock one table only, and then the rest by one. pg_restore
// itself keeps statements apart that lock the same table, or they would run into
// deadlocks, but only for an archive that has the tables, too.
// Source: identify_locking_dependencies in src/bin/pg_dump/pg_backup_archiver.c
func (d *partedDump) buildInParallel(ctx context.Context, p *part) error {
	early := buildsOnTables(p.toc)
	restore := func(jobs int, keep func(*dumparchive.Entry) bool) func() error {
		return func() error {
			return d.restoreEntries(ctx, p.archive, d.targetInfo(), pgtools.Restore{Clean: d.clean, Jobs: jobs}, keep)
		}
	}
	return d.inOrder(ctx,
		restore(p.jobs, func(entry *dumparchive.Entry) bool { return early[entry.DumpID] }),
		restore(1, func(entry *dumparchive.Entry) bool { return !early[entry.DumpID] }),
	)
}

// buildsOnTables are the dump IDs of the indexes and keys that need nothing of the archive
// but others of them. A materialized view that is grouped by a primary key, for one, comes
// after that key, and has indexes itself.
func buildsOnTables(toc *dumparchive.TOC) map[int]bool {
	early := make(map[int]bool)
	// pg_dump writes what is needed first.
	for n := range toc.Entries {
		e := &toc.Entries[n]
		waits := func(id int) bool { return toc.ByID(id) != nil && !early[id] }
		if (e.Desc == "INDEX" || e.Desc == "CONSTRAINT") && !slices.ContainsFunc(e.Dependencies, waits) {
			early[e.DumpID] = true
		}
	}
	return early
}

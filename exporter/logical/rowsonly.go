package logical

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// noteRowsOnly sees to it that the dumps of a backup with data_only are restored as
// data_only=true says: triggers that are on the target would change them.
func (e *Exporter) noteRowsOnly(ctx context.Context, a *archive) error {
	if e.options.DataOnly || e.options.SchemaOnly {
		return nil
	}
	if err := a.readTOC(); err != nil {
		return fmt.Errorf("restoring database %q: %w", e.targetOf(a.database), err)
	}
	if !hasRowsOnly(a.toc) {
		return nil
	}
	if e.options.Recreates() || e.options.Clean {
		return fmt.Errorf("restoring database %q: the dump has rows only (the backup had data_only), which cannot take the place of what is there, as recreate and clean say: nothing was touched\nhint: add -o recreate=false -o clean=false, and the rows go into the tables that are there", e.targetOf(a.database))
	}
	slog.Info("the backup had data_only: its rows are restored as data_only=true says, into tables that are there")
	e.tasks.wait() // earlier dumps, without rows, are restored by these options
	if err := e.loadAsReplica(ctx, e.server); err != nil {
		return err
	}
	e.options.DataOnly = true
	return nil
}

// hasRowsOnly reports whether a dump has rows, and defines nothing.
func hasRowsOnly(toc *dumparchive.TOC) bool {
	some := toc.Find(tableRows) != nil
	return some && !slices.ContainsFunc(toc.Entries, func(e dumparchive.Entry) bool {
		switch e.Desc {
		case dumparchive.Encoding, dumparchive.StdStrings, dumparchive.SearchPath, "DATABASE", "DATABASE PROPERTIES", largeObject, largeObjects:
			return false
		}
		return e.Section == dumparchive.SectionPreData || e.Section == dumparchive.SectionPostData
	})
}

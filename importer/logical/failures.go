package logical

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// Finish implements plugin.Source: any failure fails the backup, unless the user
// said to go on and something was saved. A database failed if a part of it did.
func (i *Importer) Finish(failed []plugin.RecordError) error {
	errs := make([]error, 0, len(failed))
	var names, reported []string
	databases := 0 // failures of databases
	for _, f := range failed {
		name, ok := databaseOf(f.Pathname)
		if ok {
			databases++
			if quoted := fmt.Sprintf("%q", name); !slices.Contains(names, quoted) {
				names = append(names, quoted)
			}
		}
		// What all parts of a database say is said once.
		var shared *snapshotError
		if errors.As(f.Err, &shared) {
			if slices.Contains(reported, shared.database) {
				continue
			}
			reported = append(reported, shared.database)
		}
		errs = append(errs, f.Err)
	}
	if len(names) > 1 {
		// First, for a long message is cut.
		errs = append([]error{fmt.Errorf("%d of %d databases failed: %s", len(names), i.dumps, strings.Join(names, ", "))}, errs...)
	}
	// Without the manifest, the globals or any dump there is nothing to keep.
	if !i.options.ContinueOnError || databases < len(failed) || len(names) == i.dumps {
		return errors.Join(errs...)
	}
	for _, err := range errs {
		slog.Warn("continue_on_error: the snapshot lacks this: " + err.Error())
	}
	return nil
}

// databaseOf returns the name of the database that a file is a dump of, or a part
// of one.
func databaseOf(pathname string) (name string, ok bool) {
	if part, ok := recordname.ParsePart(pathname); ok {
		return part.Database, true
	}
	return recordname.Database(pathname)
}

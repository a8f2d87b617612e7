package logical

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// accept decides whether the dump of database at pathname, which is a directory for a
// parted one, is to be restored. One that is not is acknowledged.
func (e *Exporter) accept(database, pathname string, ack func(error)) (wanted bool, err error) {
	if other, there := e.arrived[database]; there && other != pathname {
		ack(fmt.Errorf("%s and %s are both dumps of database %q: the second one is left out", other, pathname, database))
		return false, nil
	}
	_, again := e.arrived[database]
	e.arrived[database] = pathname
	if !selects(&e.options, database) {
		ack(nil)
		return false, nil
	}
	target := e.info.Database()
	if target == "" && database == options.Template0 {
		if !again {
			slog.Warn("the snapshot has a dump of template0, which no restore touches: it is left out")
		}
		ack(nil)
		return false, nil
	}
	if target != "" && len(e.options.Databases) == 0 && len(e.arrived) > 1 {
		return false, fmt.Errorf("the snapshot has several dumps (%s), which cannot all go into the one database %q: nothing was restored\nhint: choose one with databases=NAME, or leave \"database\" out",
			strings.Join(slices.Sorted(maps.Keys(e.arrived)), ", "), target)
	}
	return true, nil
}

// selects reports whether the options leave something of the database.
func selects(o *options.Export, database string) bool {
	return len(o.Databases) == 0 || slices.Contains(o.Databases, database)
}

package target

import (
	"errors"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// Plan is what happens to a database before its dump is restored.
type Plan struct {
	Replace    bool // it is created anew, and takes the place of the one that is there
	Create     bool
	Clean      bool // each object is dropped
	Properties bool // what the database is, apart from what is in it, is restored
}

// Decide turns the options and what is there into a plan, for a dump of source that goes
// into target.
func Decide(o *options.Export, source, target string, exists bool) (Plan, error) {
	maintenance := slices.Contains(server.Maintenance, target)
	switch {
	case target == options.Template0:
		return Plan{}, errors.New("no restore touches template0\nhint: restore it into another database with the option database")
	case !exists && o.DataOnly:
		return Plan{}, errors.New("the database does not exist\nhint: data_only, and a backup with data_only, restore into tables that are there: create them first (schema_only)")
	case !exists && o.Clean:
		return Plan{}, errors.New("the database does not exist\nhint: clean restores into a database that is there; create it, or use recreate=true")
	case !exists:
		return Plan{Create: true, Properties: true}, nil
	case o.Recreates() && !maintenance:
		return Plan{Replace: true, Properties: true}, nil
	default:
		return Plan{
			Clean:      o.Clean || o.Recreates(),
			Properties: maintenance && source == target && !o.DataOnly,
		}, nil
	}
}

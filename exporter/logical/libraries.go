package logical

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
)

// libraries are the databases for whose sessions the snapshot says which libraries they load.
type libraries struct {
	mu   sync.Mutex
	list []libraryTarget
}

type libraryTarget struct {
	name       string
	properties *target.Properties
}

// add notes a database that was restored, whatever of it, if err is nil or it is in its place even so.
func (l *libraries) add(d *target.Database, err error) {
	if d == nil || !d.Properties.HasLibraries() || err != nil && d.Replacement.Pending() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, libraryTarget{d.LastName(), &d.Properties})
}

// restoreLibraries restores what add noted, for the database that our own sessions are in or for
// the others: where a library is missing, nobody can connect to the database any more.
func (r *restorer) restoreLibraries(ctx context.Context, own bool) error {
	var errs []error
	for _, t := range r.libraries.list {
		if (t.name == r.server.Database) != own {
			continue
		}
		if err := t.properties.RestoreLibraries(ctx, r.server, t.name, r.options.ExitOnError); err != nil {
			errs = append(errs, fmt.Errorf("restoring which libraries the sessions of database %q load: %w", t.name, err))
		}
	}
	return errors.Join(errs...)
}

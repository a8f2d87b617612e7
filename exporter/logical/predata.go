package logical

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// errStandalone refuses to replace a database by a part of its dump.
var errStandalone = errors.New("alone, a part is added to a database that is there, which \"recreate\" and \"clean\" contradict: nothing was touched\nhint: add -o recreate=false -o clean=false, or restore the whole directory of the database")

// isComplete reports whether plakar was asked for all parts, and not for one file. That is
// not known before what follows the definitions.
func (d *partedDump) isComplete() bool {
	return d.arrivals.directories[path.Clean(recordname.DataDirectory(d.path))]
}

// replaces reports whether what is in the target is to go.
func (d *partedDump) replaces() bool { return d.options.Recreates() || d.options.Clean }

// infoOf is the connection to the database that the dump goes into.
func (d *partedDump) targetInfo() conninfo.Info { return d.server.Info.WithDatabase(d.target) }

func (d *partedDump) rowLoader() rowLoader {
	return rowLoader{&d.runner, d.targetInfo(), &d.loaded}
}

// restorePreData restores the first part: it does with the database what is to be done
// with it and fills it with empty tables. Later parts depend on how that went.
func (d *partedDump) restorePreData(ctx context.Context, p *part) error {
	d.blocked = errors.New("left out: its definitions could not be restored")
	d.noteChecks(p.toc)
	if d.replaces() && !d.isComplete() {
		return errStandalone
	}
	prepared, needsErr, err := d.prepare(ctx, p.archive)
	d.prepared = prepared
	if err != nil {
		return errors.Join(needsErr, err)
	}
	d.target, d.clean = prepared.Name, prepared.Clean // of the later parts, too: a publication or a large object needs no table
	d.stopProgress = d.startProgress(ctx, d.database, d.target, prepared.Create || prepared.Replace)
	settingsErr := errors.Join(needsErr, prepared.Properties.RestoreSettings(ctx, d.server, d.target, d.options.ExitOnError))
	if settingsErr != nil && d.options.ExitOnError {
		return settingsErr
	}
	err = d.pgRestore(ctx, p.archive, prepared.Info, pgtools.Restore{Clean: d.clean, Filled: meetsTables(&d.options, prepared)})
	d.properties = &prepared.Properties
	if err != nil && d.rowsWouldBeAdded(prepared) {
		d.blocked = errors.New("left out: the database had tables before, and not all definitions could be restored")
		return errors.Join(settingsErr, fmt.Errorf("%w\nhint: the rows are not restored, as the database had tables before; recreate=true replaces it, data_only=true adds the rows to its tables", err))
	}
	d.blocked, d.ready = nil, true
	return errors.Join(settingsErr, err)
}

// rowsWouldBeAdded reports whether there may be a table that was there before, to whose
// rows those of the dump would be added unasked.
func (d *partedDump) rowsWouldBeAdded(prepared *target.Database) bool {
	return meetsTables(&d.options, prepared) && !d.options.DataOnly && !d.options.SchemaOnly
}

// checkTarget checks that what follows the definitions may go into the target.
func (d *partedDump) checkTarget(ctx context.Context) error {
	if d.ready || d.blocked != nil {
		return d.blocked
	}
	err := d.checkStandalone(ctx)
	if err != nil {
		d.blocked = errors.New("left out as well")
	}
	d.ready, d.standalone = err == nil, err == nil
	return err
}

// checkStandalone checks whether a part can be restored that came without the definitions.
func (d *partedDump) checkStandalone(ctx context.Context) error {
	switch {
	case d.isComplete() && !d.options.DataOnly:
		return fmt.Errorf("%s is missing in the snapshot, without which nothing of the database can be restored", path.Base(recordname.PreDataFile(d.path)))
	case d.replaces():
		return errStandalone
	}
	exists, err := target.Exists(ctx, d.server, d.target)
	if err == nil && !exists {
		err = errors.New("the database does not exist\nhint: restore the directory of the whole database, or its 1-pre-data.dump first; the option database names another target")
	}
	return err
}

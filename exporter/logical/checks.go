package logical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// arrivals are what has come of a snapshot, and what should have.
type arrivals struct {
	begun           time.Time              // when the exporter was made
	arrived         map[string]string      // paths of the dumps that arrived, by database
	parted          map[string]*partedDump // those among them that have several files
	directories     map[string]bool        // paths of the directories that arrived
	pathGiven       bool                   // plakar was asked for a path, and not for a whole snapshot
	dropped         []string               // databases whose files are empty
	empty           []string               // paths of these files, or of the directories that they are in
	globalsArrived  bool
	manifestArrived bool
	planned         []manifest.File // from the manifest
	clusterArrived  bool            // 00000-cluster.json did
}

func newArrivals(begun time.Time) *arrivals {
	return &arrivals{begun: begun, arrived: make(map[string]string), parted: make(map[string]*partedDump), directories: make(map[string]bool)}
}

func (a *arrivals) readManifest(content io.Reader) error {
	summary, err := manifest.ReadSummary(content)
	if err != nil {
		return err
	}
	a.planned, a.manifestArrived = summary.Files, true
	return nil
}

// noteDirectory notes that a directory arrived. The first one tells whether plakar was
// asked for a whole snapshot: for a path it sends the directory at the path as "/", with its
// own name, and for a file a directory that it makes at that moment.
// Source: Export in snapshot/export.go of kloset v1.1.4
func (a *arrivals) noteDirectory(record *connectors.Record) {
	a.directories[record.Pathname] = true
	if record.Pathname == "/" {
		a.pathGiven = record.FileInfo.Name() != "/" || record.FileInfo.ModTime().After(a.begun)
	}
}

// finishParted restores the rest of parted dumps whose last part did not come, and reports
// parts that are missing, and what was asked for and is in none.
func (e *Exporter) finishParted(ctx context.Context) error {
	var errs []error
	for _, d := range e.parted {
		d.retryRefused(ctx)
		missing := e.missingParts(d)
		err := d.inOrder(ctx,
			func() error { return d.rowLoader().refreshViews(ctx, d.postData) },
			func() error { return d.analyze(ctx, d.database, d.target, d.options.Jobs, &d.restored) },
			func() error { return d.restoreRest(ctx) },
			func() error { return d.replace(ctx, len(missing) > 0) },
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("restoring database %q: %w", e.targetOf(d.database), err))
		}
		if err := d.rowLoader().check(ctx); err != nil {
			errs = append(errs, fmt.Errorf("database %q: %w", d.target, err))
		}
		if err := d.checkSelection(); err != nil {
			errs = append(errs, fmt.Errorf("database %q: %w", d.database, err))
		}
		if e.manifestArrived || !d.isComplete() {
			continue // checkMissing says it, or one file was asked for
		}
		for _, pathname := range missing {
			errs = append(errs, fmt.Errorf("database %q: %s is missing in the snapshot", d.database, pathname))
		}
	}
	return errors.Join(errs...)
}

// missingParts are the files that should have come: those that the manifest lists or, without it, those
// that every parted dump has.
func (e *Exporter) missingParts(d *partedDump) (missing []string) {
	expected := []string{recordname.PreDataFile(d.path), recordname.OthersFile(d.path), recordname.PostDataFile(d.path)}
	if e.manifestArrived {
		for _, file := range e.planned {
			if kind, database := route(file.Path); kind == dumpPart && database == d.database {
				expected = append(expected, file.Path)
			}
		}
	}
	for _, pathname := range expected {
		if pathname = path.Clean(pathname); !d.has(pathname) && !slices.Contains(missing, pathname) {
			missing = append(missing, pathname)
		}
	}
	return missing
}

// replace lets the new database take the place of the old one, if there is one to be replaced, when all
// of its parts are there. Which these are is known only now.
func (d *partedDump) replace(ctx context.Context, missing bool) error {
	if d.prepared == nil {
		return nil
	}
	if d.prepared.Replacement == nil {
		d.libraries.add(d.prepared, nil)
		return nil
	}
	var err error
	switch {
	case missing:
		err = errors.New("parts of its dump are missing")
	case d.failed.Load():
		err = errors.New("not all of the database could be restored")
	}
	err = conclude(ctx, d.prepared, err)
	d.libraries.add(d.prepared, err)
	d.prepared = nil
	return err
}

// abandonParted is for a restore that ends early: new databases stay as they are.
func (e *Exporter) abandonParted(ctx context.Context) {
	for _, d := range e.parted {
		if d.prepared != nil {
			d.prepared.Replacement.Abandon(ctx)
		}
	}
}

// checkNames refuses names in "databases" that the snapshot does not have.
func (a *arrivals) checkNames(o *options.Export) error {
	var unknown []string
	for _, name := range o.Databases {
		if a.arrived[name] == "" {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("option \"databases\": the snapshot has no dump of %s", strings.Join(unknown, ", "))
}

// checkMissing compares what arrived with what the manifest says was to be saved: a dump
// that failed under continue_on_error, or that was excluded, is not there. The manifest is
// the last file: after an error of its store, plakar leaves out the rest of a directory.
func (a *arrivals) checkMissing(o *options.Export) error {
	if !a.manifestArrived && !a.pathGiven {
		return errors.New("the snapshot's manifest.json did not arrive, which tells what belongs to the snapshot: what was restored may not be all of it\nhint: see what plakar says about the files that it could not read; single files can be restored by their paths")
	}
	var missing []string
	for _, file := range a.planned {
		if text := a.lacks(file, o); text != "" {
			missing = append(missing, text)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the snapshot lacks %s: it failed during the backup, was excluded from it or cannot be read\nhint: name the databases to restore with the option databases", strings.Join(missing, ", "))
}

// lacks names a file that should have come and did not; "" if it did, or is not wanted.
func (a *arrivals) lacks(file manifest.File, o *options.Export) string {
	kind, database := route(file.Path)
	wanted := selects(o, database)
	switch {
	case slices.Contains(a.dropped, database):
	case kind == clusterDescription && !a.clusterArrived && len(o.Databases) == 0: // single databases do without
		return "the description of the cluster (" + path.Base(recordname.Cluster) + ")"
	case kind == globalsScript && !a.globalsArrived && o.Globals != options.GlobalsNone:
		return "the globals"
	case kind == dump && a.arrived[database] == "" && wanted:
		return fmt.Sprintf("the dump of %q", database)
	case kind == dumpPart && !a.parted[database].has(file.Path) && wanted:
		return fmt.Sprintf("%s of the dump of %q", path.Base(file.Path), database)
	}
	return ""
}

func (e *Exporter) checkAny() error {
	if e.attempted || len(e.options.Databases) > 0 || len(e.arrived) > 0 || e.options.Globals == options.GlobalsNone {
		return nil
	}
	return errors.New("nothing was restored: there are neither globals nor dumps in what was given")
}

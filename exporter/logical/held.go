package logical

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// selectedParts are the parts of a dump of which the options choose something. What the
// last part needs has to be made by the first one, so that they wait for each other.
type selectedParts struct {
	held    []*part
	known   []*archive                // of which the options choose nothing: their tables of contents
	defined map[[2]string]bool        // by schema and name, in the definitions
	rows    map[selection.Object]bool // whose rows are chosen, of those
}

// hold keeps a part until all parts have come, if something of it may be chosen.
func (d *partedDump) hold(ctx context.Context, p *part, name recordname.Part) error {
	if err := p.readTOC(); err != nil {
		return p.report(err)
	}
	wanted := p.section != recordname.Data || !d.options.SchemaOnly
	if wanted && selectsObjects(&d.options) && p.section == recordname.Data && name.Table != "" {
		var err error
		if wanted, err = d.mayChooseRows(ctx, p); err != nil {
			return p.report(err)
		}
	}
	if !wanted {
		d.selection.skipped = true
		d.parts.known = append(d.parts.known, p.archive)
		return p.report(nil)
	}
	if err := p.spool(d.files); err != nil {
		return p.report(err)
	}
	p.jobs = d.jobsForPart(p.archive, name)
	d.parts.held = append(d.parts.held, p)
	return nil
}

// mayChooseRows reports whether the rows of a part of a table may be chosen.
func (d *partedDump) mayChooseRows(ctx context.Context, p *part) (bool, error) {
	if err := d.chooseRows(ctx); err != nil {
		return false, err
	}
	tocs, err := inUTF8(ctx, d.server, p.archive)
	if err != nil {
		return false, err
	}
	for n := range tocs[0].Entries {
		e := &tocs[0].Entries[n]
		if e.Desc != "TABLE DATA" {
			continue
		}
		if !d.parts.defined[[2]string{e.Namespace, e.Tag}] || d.parts.rows[selection.Object{Kind: "TABLE", Schema: e.Namespace, Name: e.Tag}] {
			return true, nil
		}
	}
	return false, nil
}

// chooseRows finds out, once, which tables of the definitions are chosen.
func (d *partedDump) chooseRows(ctx context.Context) error {
	if d.parts.rows != nil || len(d.parts.held) == 0 || d.parts.held[0].section != recordname.PreData {
		return nil
	}
	tocs, err := inUTF8(ctx, d.server, d.parts.held[0].archive)
	if err != nil {
		return err
	}
	result, err := selection.Select(tocs, request(&d.options))
	if err != nil {
		return fmt.Errorf("option %w", err)
	}
	d.parts.rows, d.parts.defined = map[selection.Object]bool{}, map[[2]string]bool{}
	for _, o := range result.Chosen {
		d.parts.rows[o] = true
	}
	for n := range tocs[0].Entries {
		if e := &tocs[0].Entries[n]; e.Desc == "TABLE" {
			d.parts.defined[[2]string{e.Namespace, e.Tag}] = true
		}
	}
	return nil
}

// restoreHeld restores the parts that waited for each other.
func (e *Exporter) restoreHeld(ctx context.Context) error {
	for _, database := range slices.Sorted(maps.Keys(e.parted)) {
		if err := e.parted[database].restoreHeld(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *partedDump) restoreHeld(ctx context.Context) error {
	held := d.parts.held
	if len(held) == 0 {
		return nil
	}
	d.parts.held = nil
	if err := d.chooseParts(ctx, held); err != nil {
		for _, p := range held {
			_ = p.report(err)
			err = errors.New("left out as well")
		}
		return d.tasks.errIfExitOnError(err)
	}
	var data []*part
	for n, p := range held {
		if !d.hasChosen(p) && p.section != recordname.PreData {
			_ = p.report(nil)
			continue
		}
		if p.section == recordname.Data && d.rowsInOrder() {
			data = append(data, p)
			continue
		}
		if err := d.tasks.run(ctx, func(ctx context.Context) error { return d.restorePart(ctx, p) }); err != nil {
			for _, rest := range held[n+1:] {
				_ = rest.report(errStopped)
			}
			return err
		}
	}
	return d.restoreDataInOrder(ctx, data)
}

// hasChosen reports whether something of a part was chosen, and notes it.
func (d *partedDump) hasChosen(p *part) bool {
	some := (p.chosen == nil || len(p.chosen) > 0) && (p.section == recordname.Data || !d.options.DataOnly)
	d.selection.matched = d.selection.matched || some
	d.selection.skipped = d.selection.skipped || !some
	return some
}

// restoreDataInOrder restores the rows of several parts in the order of their foreign keys.
func (d *partedDump) restoreDataInOrder(ctx context.Context, data []*part) error {
	if len(data) == 0 {
		return nil
	}
	return d.tasks.run(ctx, func(ctx context.Context) error {
		errs := make([]error, len(data))
		if err := d.checkTarget(ctx); err != nil {
			for n := range errs {
				errs[n] = err
			}
		} else {
			errs = d.loadRowsOf(ctx, data...)
		}
		retries := make([]*retry, len(data))
		for n, p := range data {
			retries[n] = retryOf(p.archive, errs[n])
		}
		d.rowLoader().retryAll(ctx, retries...)
		for n, p := range data {
			errs[n] = p.report(retries[n].outcome())
		}
		return errors.Join(errs...)
	})
}

// loadRowsOf loads the rows of parts, into tables that are there, and returns the error of
// each. The sequences of a part that came alone are not set back.
func (d *partedDump) loadRowsOf(ctx context.Context, parts ...*part) []error {
	var archives []*archive
	var failures map[*archive]error
	var err error
	for _, p := range parts {
		archives = append(archives, p.archive)
		err = errors.Join(err, d.adaptPart(ctx, p))
	}
	keep := all
	if d.standalone {
		keep = noSequence
	}
	if err == nil {
		failures, err = d.rowLoader().load(ctx, archives, keep)
	}
	errs := make([]error, len(parts))
	for n, p := range parts {
		errs[n] = errors.Join(err, failures[p.archive])
		if d.standalone && err == nil && (errs[n] == nil || !d.options.ExitOnError) {
			errs[n] = errors.Join(errs[n], d.advanceSequences(ctx, p))
		}
		if err != nil {
			err = errors.New("left out as well")
		}
	}
	return errs
}

// chooseParts chooses what is restored of the parts.
func (d *partedDump) chooseParts(ctx context.Context, held []*part) error {
	into := place{name: d.target, filled: true}
	var archives []*archive
	for _, p := range held {
		archives = append(archives, p.archive)
	}
	var err error
	if first := held[0]; first.section == recordname.PreData {
		into.filled = false
		dump := target.Dump{TOC: first.toc, Database: d.database, Parted: true}
		into.name, into.exists, err = target.Locate(ctx, d.server, &d.options, dump, d.info.Database())
	} else {
		into.exists, err = target.Exists(ctx, d.server, d.target)
	}
	if err != nil {
		return err
	}
	return d.chooser().choose(ctx, into, append(archives, d.parts.known...)...)
}

// selectFrom reports whether the options leave something of the part to be restored. The
// definitions are needed in any case.
func (d *partedDump) selectFrom(p *part) (wanted bool, err error) {
	if err := p.readTOC(); err != nil {
		return false, err
	}
	some := p.section == recordname.Data || !d.options.DataOnly
	d.selection.matched = d.selection.matched || some
	d.selection.skipped = d.selection.skipped || !some
	return some || p.section == recordname.PreData, nil
}

// left is whether the options leave something of a parted dump.
type left struct {
	matched bool // something of a part
	skipped bool // a part as a whole
}

// checkSelection reports that the options left nothing of what plakar was asked to restore.
func (d *partedDump) checkSelection() error {
	if d.selection.matched || !d.selection.skipped || d.isComplete() {
		return nil
	}
	return errors.New("nothing was restored: schema_only, data_only, schemas or tables leave nothing of what was asked for")
}

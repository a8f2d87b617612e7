package logical

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// retry is an archive that is restored once more, or several times, where rows were refused.
type retry struct {
	archive *archive
	first   error // what the first time came to
	last    error // what the last time came to; nil: what was refused is there
	again   bool  // there was another time
	left    bool  // something else failed, which was not tried again
}

// retryOf is the retry of an archive whose restore came to err, which may be nil.
func retryOf(a *archive, err error) *retry { return &retry{archive: a, first: err, last: err} }

// retry restores the rows of one archive that were refused, as now all others are there, and
// what was built without them. err is what the first time came to.
func (r rowLoader) retry(ctx context.Context, a *archive, err error) error {
	switch {
	case refusedIn(err) == nil, r.options.ExitOnError, ctx.Err() != nil:
		return err
	case a.file == nil:
		return fmt.Errorf("%w\nhint: if a table's checks read other tables, whose rows came later: jobs=2 keeps the dump in spool_dir, and tries refused rows once more in the end", err)
	}
	t := retryOf(a, err)
	r.retryAll(ctx, t)
	return t.outcome()
}

// retryAll restores refused rows as long as fewer are refused than the time before: what a
// check reads may be in a table that was refused itself, in the same archive or another.
func (r rowLoader) retryAll(ctx context.Context, retries ...*retry) {
	if r.options.ExitOnError {
		return
	}
	for before := math.MaxInt; ctx.Err() == nil; {
		tables := 0
		for _, t := range retries {
			if refused := refusedIn(t.last); refused != nil {
				tables += len(refused.tables)
			}
		}
		if tables == 0 || tables >= before {
			return
		}
		before = tables
		for _, t := range retries {
			if refused := refusedIn(t.last); refused != nil {
				r.tryAgain(ctx, t, refused)
			}
		}
	}
}

// tryAgain restores what was refused the last time.
func (r rowLoader) tryAgain(ctx context.Context, t *retry, refused *refusedRows) {
	if r.options.DataOnly {
		if choice, ok := t.archive.uniqueTables(refused.tables); ok {
			failures, err := r.load(ctx, []*archive{t.archive}, choice)
			t.note(refused, 0, errors.Join(err, failures[t.archive]))
		}
		return
	}
	ids, keys, err := r.refusedEntries(ctx, t.archive, refused)
	if err == nil && len(ids) == 0 {
		return
	}
	if err == nil {
		// Event triggers are there by now, which a restore makes last.
		err = r.restoreIDs(ctx, t.archive, r.info.WithoutEventTriggers(), pgtools.Restore{}, ids)
	}
	t.note(refused, keys, err)
}

// uniqueTables chooses the rows of the tables, for a restore into tables that may have others.
// It is not ok if a name is that of several: which of them refused its rows is not known.
func (a *archive) uniqueTables(names []string) (choice func(*dumparchive.Entry) bool, ok bool) {
	tables := map[string]int{}
	for n := range a.toc.Entries {
		if a.toc.Entries[n].Desc == tableRows {
			tables[a.toc.Entries[n].Tag]++
		}
	}
	if slices.ContainsFunc(names, func(name string) bool { return tables[name] != 1 }) {
		return nil, false
	}
	return func(e *dumparchive.Entry) bool { return e.Desc == tableRows && slices.Contains(names, e.Tag) }, true
}

// note takes in what another time came to, when keys that failed were restored with the rows.
func (t *retry) note(refused *refusedRows, keys int, err error) {
	t.again, t.last = true, err
	t.left = t.left || refused.others > keys
}

// outcome is what has become of the restore.
func (t *retry) outcome() error {
	switch {
	case !t.again:
		return t.first
	case t.last != nil:
		return errors.Join(t.first, fmt.Errorf("once more, when all other rows were there: %w", t.last))
	case t.left:
		return fmt.Errorf("%w\nthe rows of %s were restored once all other rows were there", t.first, strings.Join(refusedIn(t.first).tables, ", "))
	default:
		return nil
	}
}

// keepRefused keeps a part with refused rows for retryRefused.
func (d *partedDump) keepRefused(p *part, err error) bool {
	if p.section != recordname.Data || p.file == nil || d.options.ExitOnError || refusedIn(err) == nil {
		return false
	}
	d.refusedMu.Lock()
	defer d.refusedMu.Unlock()
	d.refused = append(d.refused, refusedPart{p, retryOf(p.archive, err)})
	return true
}

// refusedPart is a part with refused rows.
type refusedPart struct {
	*part
	retry *retry
}

// retryRefused restores the rows that were refused, now that all others are there, and
// acknowledges their parts.
func (d *partedDump) retryRefused(ctx context.Context) {
	d.refusedMu.Lock()
	parts := d.refused
	d.refused = nil
	d.refusedMu.Unlock()
	var retries []*retry
	for _, p := range parts {
		retries = append(retries, p.retry)
	}
	d.rowLoader().retryAll(ctx, retries...)
	for _, p := range parts {
		_ = p.report(p.retry.outcome())
	}
}

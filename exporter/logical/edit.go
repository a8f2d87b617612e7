package logical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// adapt changes in the archive what would not do on the target as it is.
func (r *restorer) adapt(ctx context.Context, d *target.Database, a *archive) error {
	return r.adaptTo(ctx, d.Name, d.Plan, a)
}

// adaptTo is adapt for a part of a dump that follows the one that the database was prepared
// for.
func (r *restorer) adaptTo(ctx context.Context, database string, plan target.Plan, a *archive) error {
	changed, err := r.withoutDefaultPrivileges(ctx, database, plan, a)
	if err != nil {
		return err
	}
	withPath, err := r.changeSearchPath(ctx, a)
	if err != nil {
		return err
	}
	if plan.Clean && withoutDropsOfAttached(a) {
		changed = true
	}
	if a.jobs > 1 && eventTriggersAfterViews(a) {
		changed = true
	}
	if withPath || changed {
		return a.rewrite(r.files)
	}
	return nil
}

// rewrite makes the changes of a.toc a part of the archive, which pg_restore then reads.
// A spooled archive is copied: the table of contents in front of the data has another
// length.
func (a *archive) rewrite(files *tempfile.Dir) error {
	var front bytes.Buffer
	if _, err := a.toc.WriteTo(&front); err != nil {
		return fmt.Errorf("changing the dump of database %q: %w", a.database, err)
	}
	size := a.toc.Size()
	a.toc = nil
	if a.file == nil {
		a.head, a.content = nil, io.MultiReader(&front, bytes.NewReader(a.head[size:]), a.content)
		return a.readTOC()
	}
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	f, err := files.Create()
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.MultiReader(&front, io.NewSectionReader(a.file, size, info.Size()-size))); err != nil {
		return errors.Join(fmt.Errorf("changing the dump of database %q: %w", a.database, err), f.Remove())
	}
	old := a.file
	a.file = f
	return errors.Join(a.readTOC(), old.Remove())
}

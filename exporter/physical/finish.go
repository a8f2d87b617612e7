package physical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// finish proves that everything came, and lets the directory be started: pg_control
// gets its name when all else is on disk.
func (r *restore) finish(ctx context.Context) error {
	if err := r.complete(); err != nil {
		return err
	}
	if err := r.configure(); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	r.look(ctx)
	if err := errors.Join(r.makeMissing(), r.tidy()); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := r.persist(); err != nil {
		return err
	}
	if r.options.Quiet {
		return nil
	}
	for _, text := range r.warnings {
		slog.Warn(text)
	}
	r.say()
	return nil
}

// complete checks that the backup is here, whole.
func (r *restore) complete() error {
	switch {
	case r.major == 0:
		return fmt.Errorf("the snapshot has no file %s at its top: %s", versionFile, wrongSnapshot)
	case !r.check.without && !r.check.ready:
		return fmt.Errorf("the snapshot has no %s at its top: it was no base backup, or the file was left out: %s", replication.ManifestName, wrongSnapshot)
	case r.snapshot == nil:
		return fmt.Errorf("the snapshot has no %s at its top: %s", recordname.Manifest[1:], wrongSnapshot)
	case r.check.systemID != "" && r.snapshot.SystemIdentifier != "" && r.check.systemID != r.snapshot.SystemIdentifier:
		return fmt.Errorf("%s is of the cluster %s, %s of the cluster %s: they are not of one backup",
			replication.ManifestName, r.check.systemID, recordname.Manifest[1:], r.snapshot.SystemIdentifier)
	case !r.control:
		return fmt.Errorf("the file %q is missing", controlFile)
	}
	err := r.check.complete(func(read func(io.Reader) error) error {
		return r.read(r.place(replication.ManifestName), read)
	})
	if err != nil {
		return err
	}
	if err := r.sameBackup(); err != nil {
		return err
	}
	if r.check.without {
		r.warn(fmt.Sprintf("PostgreSQL %d sends no backup manifest: that the restore is complete could not be checked", r.major))
	}
	return errors.Join(r.checkBound(), r.checkLinks())
}

// sameBackup makes sure that manifest.json is of this backup, and not of another one of the cluster: a
// restore of WAL begins where it says.
func (r *restore) sameBackup() error {
	span, err := backupmanifest.Span(r.check.ranges)
	base := r.snapshot.Base
	if err != nil || span == nil || base == nil || *span == (backupmanifest.WALRange{Timeline: base.Timeline, Start: base.StartLSN, End: base.EndLSN}) {
		return err
	}
	return fmt.Errorf("%s is of the backup from %s to %s, %s of the one from %s to %s: they are not of one backup",
		replication.ManifestName, span.Start, span.End, recordname.Manifest[1:], base.StartLSN, base.EndLSN)
}

// emptyDirectories are those that may be empty in a backup, and that a server wants to find.
// Source: subdirectories of a data directory in src/bin/initdb/initdb.c of PostgreSQL 12 to 18.
var emptyDirectories = []string{
	"pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_logical/mappings", "pg_logical/snapshots", "pg_notify", "pg_replslot", "pg_serial",
	"pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans", linkDir, "pg_twophase", walDir + "/archive_status",
}

// makeMissing makes the directories that a damaged snapshot may lack: the backup manifest lists
// files, and plakar passes over a directory that it cannot read.
func (r *restore) makeMissing() error {
	for _, name := range emptyDirectories {
		at := r.place(name)
		if _, err := at.root.Lstat(at.name); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.warn(fmt.Sprintf("the snapshot has no directory %s: it was made, empty", name))
		if err := r.mkdir(at); err != nil {
			return err
		}
		r.filled = append(r.filled, filled{place: at, mode: r.access().directory})
	}
	return nil
}

// access are the modes of what the snapshot does not have. The data directory gets its own only at
// the end.
func (r *restore) access() access {
	for _, d := range r.filled {
		if d.place == (place{r.plan.data.root, "."}) {
			return accessOf(d.mode)
		}
	}
	return accessOf(0)
}

// tidy removes what is not needed, and gives the directories their modes and times.
func (r *restore) tidy() error {
	root := r.plan.data.root
	if len(r.bound) > 0 && r.exists(tablespaceDir) {
		entries, err := fs.ReadDir(root.FS(), tablespaceDir)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if err := root.Remove(tablespaceDir); err != nil {
				return err
			}
			r.filled = slices.DeleteFunc(r.filled, func(d filled) bool { return d.place == place{root, tablespaceDir} })
		}
	}
	// What is in a directory comes before it, which may not let us through any more.
	for _, d := range slices.Backward(r.filled) {
		mode := d.mode
		if d.place.name == "." || d.place == (place{root, path.Dir(controlFile)}) {
			mode |= 0o700 // something is still renamed or removed in it, and a server writes there as well
		}
		err := d.place.root.Chmod(d.place.name, mode)
		if err == nil && !d.modified.IsZero() {
			err = d.place.root.Chtimes(d.place.name, d.modified, d.modified)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// persist makes everything durable. The markers go before pg_control gets its name:
// whenever the machine stops, the directory is complete, or cannot be started.
func (r *restore) persist() error {
	if err := r.syncAll(); err != nil {
		return err
	}
	for _, d := range r.plan.directories() {
		if err := d.root.Remove(markerName); err != nil {
			return err
		}
	}
	for _, d := range r.plan.directories() {
		if err := syncDirectory(d.root, "."); err != nil {
			return err
		}
	}
	root := r.plan.data.root
	if err := root.Rename(incompleteControl, controlFile); err != nil {
		return err
	}
	return syncDirectory(root, path.Dir(controlFile))
}

func (r *restore) syncAll() error {
	errs := make([]error, 0, 1)
	for _, d := range r.plan.directories() {
		if err := syncTree(d.root); err != nil {
			errs = append(errs, fmt.Errorf("writing %s to disk: %w", d.path, err))
		}
	}
	return errors.Join(errs...)
}

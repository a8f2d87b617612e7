package physical

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// endsName is the file in storeDir with the ends of the snapshots that were restored.
const endsName = "ends.json"

// finish proves that the recovery finds all that it needs, and lets the directory be
// started.
func (w *walRestore) finish(ctx context.Context) error {
	if w.lock == nil {
		return fmt.Errorf("the snapshot holds no WAL from the base backup on: no file with a name like %s; %s is as it was", w.firstNeeded(), w.data.path)
	}
	if err := w.saveEnds(); err != nil {
		return err
	}
	v, err := w.inventory()
	if err != nil {
		return err
	}
	course, err := w.course(v)
	if err != nil {
		return w.completedBy("restore a whole WAL snapshot into it, or the same one again with another target_timeline", err)
	}
	lsn, _, _ := w.options.TargetLSN()
	if err := w.covered(v, course, wal.LSN(lsn)); err != nil {
		return err
	}
	end, reached, err := w.stopAt(ctx, v, course)
	if err != nil {
		return err
	}
	if err := w.configure(end); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := w.persist(); err != nil {
		return err
	}
	w.recovery = &Recovery{Timeline: uint32(course.Timeline), SegmentSize: w.base.segmentSize()}
	if end.target.name == "" {
		w.recovery.End = w.promised(course)
	}
	if w.options.Quiet {
		return nil
	}
	slog.Info(fmt.Sprintf("%s is complete: start it with PostgreSQL %d; it recovers %s, and goes on with a new timeline; %s/%s can be removed when it has",
		w.data.path, w.base.major, reached, walDir, storeDir))
	return nil
}

// course returns the timeline that the recovery ends on, with its ancestors.
func (w *walRestore) course(v *inventory) (wal.History, error) {
	timeline, current, _ := w.options.TargetTimeline()
	switch {
	case current:
		return v.follow(w.base, w.base.timeline)
	case timeline != 0:
		return v.follow(w.base, wal.Timeline(timeline))
	}
	return v.latest(w.base)
}

// completedBy says which restore completes this one.
func (w *walRestore) completedBy(how string, err error) error {
	w.complete = cmp.Or(w.complete, "to complete it, "+how)
	return err
}

// firstNeeded is the first segment that a recovery needs beside those of the base backup.
func (w *walRestore) firstNeeded() string {
	return wal.SegmentOf(w.base.timeline, w.base.end, w.base.segmentSize()).Name()
}

// saveEnds adds the ends of this snapshot to those of earlier ones. It is called when all
// of the snapshot is here.
func (w *walRestore) saveEnds() error {
	text, err := w.store.ReadFile(endsName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		var before []manifest.WALEnd
		if err := json.Unmarshal(text, &before); err != nil {
			return fmt.Errorf("%s/%s/%s: %w", walDir, storeDir, endsName, err)
		}
		w.ends = append(w.ends, before...)
	}
	if text, err = json.Marshal(w.ends); err != nil {
		return err
	}
	return w.replace(w.store, endsName, text)
}

// inventory lists what is in the store, whichever restore wrote it. The empty files in the
// place of segments that were missing then are removed.
func (w *walRestore) inventory() (*inventory, error) {
	v := &inventory{
		full: make(map[wal.Segment]bool), partial: make(map[wal.Segment]bool), own: make(map[wal.Segment]bool),
		histories: make(map[wal.Timeline]wal.History),
	}
	for s := range w.base.own {
		if w.base.has(s) {
			v.own[s] = true
		}
	}
	if err := w.addHistories(v); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(w.store.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		kind := wal.KindOf(name)
		if kind != wal.Complete && kind != wal.Partial {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		segment, err := wal.ParseSegment(strings.TrimSuffix(name, wal.PartialSuffix), w.base.segmentSize())
		switch {
		case err != nil:
			return nil, err
		case info.Size() == 0:
			if err := w.store.Remove(name); err != nil {
				return nil, err
			}
		case kind == wal.Partial:
			v.partial[segment] = true
		default:
			v.full[segment] = true
		}
	}
	return v, nil
}

// addHistories reads the history files of the base backup, and those that were restored.
func (w *walRestore) addHistories(v *inventory) error {
	for _, root := range []interface{ FS() fs.FS }{w.wal, w.store} {
		names, err := fs.Glob(root.FS(), "*.history")
		if err != nil {
			return err
		}
		for _, name := range names {
			timeline, err := wal.ParseHistoryName(name)
			if err != nil {
				continue // somebody else's file
			}
			text, err := fs.ReadFile(root.FS(), name)
			if err != nil {
				return err
			}
			if v.histories[timeline], err = wal.ParseHistory(timeline, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// covered proves that every segment from the end of the base backup to where the recovery ends,
// which is lsn or, for 0, the end of the WAL, is there. An empty file takes the place of one that is missing: a server that reads it
// stops, while it takes a hole for the end of the WAL.
func (w *walRestore) covered(v *inventory, course wal.History, lsn wal.LSN) error {
	size := w.base.segmentSize()
	promised, left := w.promised(course), v.left(course.Timeline)
	if reach := max(promised, v.reach(course, promised == 0)); reach <= w.base.end {
		return w.completedBy("restore a newer WAL snapshot into it", fmt.Errorf("the WAL ends at %s, and the base backup at %s", reach, w.base.end))
	}
	last, known := v.last(course.Timeline)
	to := last.Start
	switch {
	case lsn != 0:
		to = lsn - 1
	case max(promised, left) > last.Start:
		to = max(promised, left) - 1
	case !known && len(course.Ancestors) > 0:
		to = max(w.base.end, course.Ancestors[len(course.Ancestors)-1].End)
	}
	gaps := v.gaps(course, w.base.end, to, size)
	if len(gaps) == 0 {
		return nil
	}
	texts := make([]string, 0, len(gaps))
	for _, g := range gaps {
		texts = append(texts, g.String())
		if err := w.replace(w.store, g.first.Name(), nil); err != nil {
			return err
		}
	}
	missing := strings.Join(texts, ", ")
	if lsn != 0 && last.End() < lsn {
		return w.completedBy("restore a newer WAL snapshot into it, or the same one again with an earlier target",
			fmt.Errorf("option \"target_lsn\": the WAL ends before %s, it is missing %s", lsn, missing))
	}
	return w.completedBy(fmt.Sprintf("restore another WAL snapshot into it, which has the WAL %s", missing), fmt.Errorf("WAL is missing %s", missing))
}

// promised is up to where the restored snapshots say that they hold the timeline that the
// recovery ends on.
func (w *walRestore) promised(course wal.History) (last wal.LSN) {
	for _, e := range w.ends {
		if e.Timeline == course.Timeline {
			last = max(last, e.LSN)
		}
	}
	return last
}

// configure writes where the recovery ends.
func (w *walRestore) configure(end *stop) error {
	root := w.data.root
	text, err := root.ReadFile(autoConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// With standby.signal, a server tries for ever to get what is missing.
	if err := root.Remove(standbySignal); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return cmp.Or(w.replace(root, recoverySignal, nil), w.replace(root, autoConf, withBlock(text, overrides(w.options, end))))
}

// persist makes everything durable, and gives pg_control its name back at the very end.
func (w *walRestore) persist() error {
	if err := w.store.Remove(incoming); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(syncTree(w.wal), syncTree(w.data.root)); err != nil {
		return fmt.Errorf("writing %s to disk: %w", w.data.path, err)
	}
	root := w.data.root
	if err := root.Remove(markerName); err != nil {
		return err
	}
	if err := syncDirectory(root, "."); err != nil {
		return err
	}
	if err := root.Rename(walControl, controlFile); err != nil {
		return err
	}
	return syncDirectory(root, path.Dir(controlFile))
}

// lastMoment is the latest moment that the restored snapshots say that they reach, on the
// timeline that the recovery ends on; zero if none says it. How long that went on after another one
// had left it, nobody says.
func (w *walRestore) lastMoment(course wal.History) (last time.Time) {
	for _, e := range w.ends {
		if e.Time != nil && e.Timeline == course.Timeline && e.Time.After(last) {
			last = *e.Time
		}
	}
	return last
}

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// days is a flag for a snapshot that was made so many days ago.
func days(ago int) []string {
	return []string{"-force-timestamp", time.Now().AddDate(0, 0, -ago).UTC().Format(time.RFC3339)}
}

// WAL is lost, and the user goes on after the gap. Recoveries before it and behind it succeed, none leads
// across it. What the documents keep is enough for either: base backups, and the newest snapshots of the WAL.
func TestWALGapRecovered(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "slots and the store are the same in all versions")
	s := harness.Start(t, smallWAL, harness.Conf("full_page_writes = on", "synchronous_commit = on", "min_wal_size = 2MB", "wal_recycle = off"))
	clock(t, s)
	p := physical(t, s)
	p.SourceAdd("wal", walURL(s))
	p.SourceAdd("go", walURL(s), "continue_on_error=true")
	p.MustBackup("@wal", days(10)...)
	first := restoredBase(t, p, s)
	tick(t, s, 1)
	fill(t, s, 2)
	two := tick(t, s, 2)
	older := p.MustBackup("@wal", days(9)...)
	three := tick(t, s, 3)
	s.Exec(t, "postgres", "SELECT pg_drop_replication_slot('plakar')")
	forget(t, s)
	refused(t, p, "@wal", "WAL is missing before")
	second := restoredBase(t, p, s)
	four := tick(t, s, 4)
	after := p.MustBackup("@go", days(1)...)
	fill(t, s, 1)
	five := tick(t, s, 5)
	newest := p.MustBackup("@wal")

	got := first.copy(t)
	first.refused(t, got, []string{"WAL is missing from "}, newest)
	cannotStart(t, got)
	first.refused(t, got, []string{"WAL is missing from "}, older)
	first.refused(t, got, []string{"WAL is missing from "}, older, "target_lsn="+three.lsn)
	cannotStart(t, got)
	second.refused(t, second.copy(t), []string{"no WAL from the base backup on"}, older)
	for name, c := range map[string]struct {
		base     *recovery
		snapshot string
		want     moment
	}{
		"before": {first, older, two}, "behind": {second, newest, five}, "just behind": {second, after, four},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := c.base.recover(t, c.snapshot)
			c.want.asAt(t, promoted(t, got))
		})
	}

	before := p.Snapshots()
	p.MustRun("prune", "-apply", "-type", "postgres+wal", "-days", "2")
	p.MustRun("prune", "-apply", "-type", "postgres+bin", "-weeks", "5")
	left := p.Snapshots()
	if len(left) != len(before)-2 || slices.Contains(left, older) || !slices.Contains(left, newest) || !slices.Contains(left, after) {
		t.Errorf("%q of %q are left", left, before)
	}
	six := tick(t, s, 6)
	last := p.MustBackup("@wal")
	if m := walOf(t, p, last); m.Gap != nil || m.Begin != walOf(t, p, newest).Begin {
		t.Errorf("%+v", m)
	}
	got, _ = second.recover(t, last)
	six.asAt(t, promoted(t, got))
}

// storeFiles are the files of a store.
func storeFiles(t *testing.T, p *harness.Plakar) (files []string) {
	t.Helper()
	must(t, filepath.WalkDir(p.Store, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// When files of the newest snapshot are damaged or gone, a run fails and stores nothing; or it begins with the
// snapshot before. plakar does not store again what it takes for stored: where that is broken,
// its check finds it. Nobody takes the WAL for whole that is not.
func TestWALStoreDamaged(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what the store knows is ours")
	for name, c := range map[string]struct {
		kind      string // of the files
		damage    func(file string) error
		elsewhere bool // another machine goes on, which remembers nothing of the store
		fails     bool
	}{
		"removed":                     {"packfiles", os.Remove, false, true},
		"cut off, on another machine": {"packfiles", func(file string) error { return os.Truncate(file, 100) }, true, false},
		"forgotten":                   {"states", os.Remove, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := started(t, smallWAL)
			begin := walOf(t, p, p.Snapshots()[0]).Begin
			before := storeFiles(t, p)
			fill(t, s, 2)
			p.MustBackup("@wal")
			for _, file := range storeFiles(t, p) {
				if !slices.Contains(before, file) && strings.Contains(file, c.kind) {
					must(t, c.damage(file))
				}
			}
			other := harness.NewPlakar(t)
			other.Store = p.Store
			other.SourceAdd("wal", walURL(s))
			fill(t, s, 2)
			if c.fails {
				refused(t, p, "@wal", "the previous snapshot cannot be read")
			}
			if c.elsewhere {
				p = other
			}
			result := p.Run("backup", "@wal")
			if (result.ExitCode != 0) != c.fails {
				t.Errorf("exit status %d: %s", result.ExitCode, result.Output())
			}
			if c.fails || other.Run("check", other.Snapshots()[0]).ExitCode != 0 {
				return
			}
			if m := walOf(t, other, other.Snapshots()[0]); m.Begin != begin || m.Gap != nil {
				t.Errorf("%+v", m)
			}
			walSegments(t, other, other.Snapshots()[0])
		})
	}
}

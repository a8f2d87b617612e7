package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// smallWAL is for servers with much WAL in few bytes.
var smallWAL = harness.InitdbArgs("--wal-segsize=1")

// A cluster is brought back in place, on a timeline of its own, and its WAL is backed up as before: any
// moment of either timeline can be had, also from a copy of the store. Another one that is brought back
// from the same WAL is not taken for the first.
func TestWALAfterPITR(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what a version's timelines are like, TestWALTimelines asks")
	src := harness.Start(t, walConf, smallWAL)
	clock(t, src)
	p := physical(t, src)
	p.SourceAdd("wal", walURL(src))
	p.MustBackup("@wal")
	base := p.MustBackup("@phys")
	restored, _ := rebuild(t, p, base, src.Major)
	r := &recovery{plakar: p, major: src.Major, restored: restored.DataDir, options: []string{"pg_bin_dir=" + src.BinDir}}
	first := tick(t, src, 1)
	src.Exec(t, "postgres", "SELECT pg_switch_wal()")
	second := tick(t, src, 2)
	fill(t, src, 3)
	p.MustBackup("@wal")
	before := walOf(t, p, p.MustBackup("@wal"))
	old := p.Snapshots()[0]
	src.Stop(harness.Fast)

	inPlace := func() *harness.Server {
		s := r.copy(t)
		s.Port = src.Port
		r.restoreWAL(t, s, old, "target_lsn="+first.lsn)
		s.Start(t)
		return promoted(t, s)
	}
	one := inPlace()
	tick(t, one, 2)
	again := tick(t, one, 3)
	for range 2 {
		fill(t, one, 2)
		snapshot := p.MustBackup("@wal")
		if m := walOf(t, p, snapshot); m.Timeline != 2 || m.Begin != before.Begin || m.Gap != nil {
			t.Errorf("%+v after %+v", m, before)
		}
		walSegments(t, p, snapshot)
	}
	newest := p.Snapshots()[0]
	one.Stop(harness.Fast)

	two := inPlace()
	tick(t, two, 2)
	refused(t, p, "@wal", "not what the previous snapshot has")
	fill(t, two, 5)
	refused(t, p, "@wal", "not what the previous snapshot has")
	two.Stop(harness.Fast)

	copied := harness.NewPlakar(t)
	copied.NewStore()
	p.MustRun("sync", "to", copied.Store)
	of := &recovery{plakar: copied, major: src.Major, options: r.options}
	theirs, _ := rebuild(t, copied, base, src.Major)
	of.restored = theirs.DataDir
	for name, c := range map[string]struct {
		from     *recovery
		snapshot string
		options  []string
		want     moment
	}{
		"the end":                      {r, newest, nil, again},
		"before the switch":            {r, newest, []string{"target_lsn=" + first.lsn}, first},
		"what was undone":              {r, old, nil, second},
		"the end, of the copy":         {of, newest, nil, again},
		"what was undone, of the copy": {of, old, []string{"target_lsn=" + second.lsn}, second},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := c.from.recover(t, c.snapshot, c.options...)
			c.want.asAt(t, promoted(t, got))
		})
	}
}

// With one slot for two stores, each run lets go what only the other store has: that is said. With one each,
// neither loses anything.
func TestWALTwoStores(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "slots and the store are the same in all versions")
	s, p := started(t, smallWAL, harness.Conf("min_wal_size = 2MB", "wal_recycle = off"))
	q := walBackup(t, s)
	refused(t, q, "@wal", "another store uses it")
	q.SourceAdd("anew", walURL(s), "continue_on_error=true")
	q.MustBackup("@anew")
	for range 3 {
		fill(t, s, 2)
		q.MustBackup("@wal")
	}
	forget(t, s)
	refused(t, p, "@wal", "WAL is missing before")
	// It has changed nothing for the other one.
	snapshot := q.MustBackup("@wal")
	if m := walOf(t, q, snapshot); m.Gap != nil {
		t.Errorf("%+v", m)
	}
	walSegments(t, q, snapshot)

	// With a slot of its own, each store has all that was written since.
	stores := map[string]*harness.Plakar{"one": harness.NewPlakar(t), "two": harness.NewPlakar(t)}
	for slot, store := range stores {
		store.SourceAdd("wal", walURL(s), "slot="+slot)
		store.MustBackup("@wal")
	}
	begin := walOf(t, stores["one"], stores["one"].Snapshots()[0]).Begin
	for range 3 {
		fill(t, s, 1)
		stores["one"].MustBackup("@wal")
		forget(t, s)
	}
	for _, store := range stores {
		snapshot := store.MustBackup("@wal")
		if m := walOf(t, store, snapshot); m.Gap != nil || m.Begin > begin {
			t.Errorf("%+v, one began at %s", m, begin)
		}
		walSegments(t, store, snapshot)
	}
}

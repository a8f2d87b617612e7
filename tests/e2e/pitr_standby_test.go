package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A standby and its primary: the base backup of either with the WAL of either leads to any moment, and on, over
// promotions: a standby that was made after others does not have all history files.
func TestPITRStandby(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "replication of the WAL is old")
	harness.OwnToolsOnly(t, "pg_waldump is of the server's version in any case")
	primary := harness.Start(t, harness.Fresh(), walConf, smallWAL)
	clock(t, primary)
	standby := follow(t, primary, "second")
	p := physical(t, primary)
	p.SourceAdd("standby", physicalURL(standby), standby.BinDirOption())
	p.SourceAdd("wal", walURL(primary))
	p.SourceAdd("wal-of-standby", walURL(standby))
	replayed := func() {
		eventually(t, "the standby to replay", func() bool {
			return standby.QueryText(t, "postgres", "SELECT pg_last_wal_replay_lsn() >= '"+primary.QueryText(t, "postgres", "SELECT pg_current_wal_flush_lsn()")+"'") == "t"
		})
	}
	tick(t, primary, 1)
	primary.Exec(t, "postgres", "CHECKPOINT")
	replayed()
	standby.Exec(t, "postgres", "CHECKPOINT") // its backup begins there
	for _, source := range []string{"@wal", "@wal-of-standby"} {
		p.MustBackup(source)
	}
	bases := map[string]*recovery{"primary": restoredBase(t, p, primary)}
	got, _ := rebuild(t, p, p.MustBackup("@standby"), primary.Major)
	bases["standby"] = &recovery{plakar: p, major: primary.Major, restored: got.DataDir, options: bases["primary"].options}
	second := tick(t, primary, 2)
	fill(t, primary, 2)
	third := tick(t, primary, 3)
	replayed()
	snapshots := map[string]string{"primary": p.MustBackup("@wal"), "standby": p.MustBackup("@wal-of-standby")}
	for of, base := range bases {
		for from, snapshot := range snapshots {
			t.Run("base of "+of+", WAL of "+from, func(t *testing.T) {
				option, want := "target_timeline=latest", third
				if of == from {
					option, want = "target_lsn="+second.lsn, second
				}
				got, _ := base.recover(t, snapshot, option)
				want.asAt(t, promoted(t, got))
			})
		}
	}

	// Three promotions: the last server does not have the history of timeline 2.
	server, next, last := primary, standby, third
	for n := range 3 {
		server.Stop(harness.Fast)
		next.Exec(t, "postgres", "SELECT pg_promote()")
		promoted(t, next).Stop(harness.Fast)
		next.Port = primary.Port
		next.Start(t)
		if server = next; n < 2 {
			next = follow(t, server, "next")
		}
		last = tick(t, server, 4+n)
		fill(t, server, 1)
		p.MustBackup("@wal")
	}
	snapshot := p.Snapshots()[0]
	if m := walOf(t, p, snapshot); m.Timeline != 4 || m.Gap != nil || len(m.History) != 3 {
		t.Errorf("%+v", m)
	}
	walSegments(t, p, snapshot)
	old := wal.Timeline(2)
	if _, err := os.Lstat(filepath.Join(server.DataDir, "pg_wal", old.HistoryName())); err == nil {
		t.Errorf("the last server has %s", old.HistoryName())
	}
	if !slices.Contains(p.Ls(snapshot), old.HistoryPath()) {
		t.Errorf("the snapshot does not have %s", old.HistoryName())
	}
	for option, want := range map[string]moment{"target_timeline=latest": last, "target_lsn=" + second.lsn: second} {
		got, _ := bases["standby"].recover(t, snapshot, option)
		want.asAt(t, promoted(t, got))
	}
}

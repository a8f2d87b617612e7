package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// The two connectors together: a base backup, two runs of postgres+wal://, and recoveries from either.
func TestPITRImporter(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "what a version's WAL is like, other tests ask")
	harness.OwnToolsOnly(t, "pg_waldump is of the server's version in any case")
	src := harness.Start(t, walConf)
	clock(t, src)
	p := physical(t, src)
	p.SourceAdd("wal", "postgres+wal"+strings.TrimPrefix(src.URL(""), "postgres"), "slot=plakar")
	p.MustBackup("@wal")
	tick(t, src, 1)
	r := restoredBase(t, p, src)
	second := tick(t, src, 2)
	// All of the WAL behind the base is looked at in one step.
	src.Exec(t, "postgres", "CREATE TABLE later (x int)")
	time.Sleep(1100 * time.Millisecond)
	got, _ := r.recover(t, p.MustBackup("@wal"), "target_time="+second.time)
	second.asAt(t, promoted(t, got))
	src.Exec(t, "postgres", "SELECT pg_switch_wal()")
	third := tick(t, src, 3)
	time.Sleep(1100 * time.Millisecond) // the end's time is 1 s before it was asked for
	first := p.MustBackup("@wal")
	fourth := tick(t, src, 4)
	time.Sleep(1100 * time.Millisecond)
	quiet := src.QueryText(t, "postgres", "SELECT "+strings.ReplaceAll(timeOf, "%s", "clock_timestamp()"))
	time.Sleep(1100 * time.Millisecond)
	last := p.MustBackup("@wal")
	for name, c := range map[string]struct {
		snapshot string
		options  []string
		want     moment
	}{
		"the older one's end": {first, nil, third},
		"the end":             {last, nil, fourth},
		"a moment":            {last, []string{"target_time=" + second.time}, second},
		"a quiet one":         {last, []string{"target_time=" + quiet}, fourth},
		"the last commit":     {last, []string{"target_xid=" + fourth.xid, "target_inclusive=false"}, third},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := r.recover(t, c.snapshot, c.options...)
			c.want.asAt(t, promoted(t, got))
		})
	}
	r.refused(t, r.copy(t), []string{"the WAL reaches up to ", "is after that"}, first, "target_time="+quiet)
	// The older one, and what the newer one adds.
	got = r.copy(t)
	r.restoreWAL(t, got, last)
	r.restoreWAL(t, got, first)
	got.Start(t)
	fourth.asAt(t, promoted(t, got))
	src.Exec(t, "postgres", "SELECT pg_drop_replication_slot('plakar')")
	nothingLeft(t, p, src)
}

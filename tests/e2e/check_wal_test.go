package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// walProof is a base backup, and WAL behind it, to check.
type walProof struct {
	*proof
	src       *harness.Server
	base, wal string // snapshots
	dir       string // what the WAL was backed up from
	moments   map[int]moment
}

// newWALProof makes a cluster with a row before the base backup and five behind it.
func newWALProof(t *testing.T) *walProof {
	t.Helper()
	src := harness.Start(t, walConf, harness.InitdbArgs("--wal-segsize=1")) // small ones are quickly copied
	clock(t, src)
	p := physical(t, src)
	w := &walProof{proof: newProof(t, p, src), src: src, moments: make(map[int]moment)}
	before := tick(t, src, 1)
	w.base = p.MustBackup("@phys")
	for id := 2; id <= 6; id++ {
		src.Exec(t, "postgres", "SELECT pg_switch_wal()")
		w.moments[id] = tick(t, src, id)
	}
	w.dir = layWAL(t, src, before.lsn)
	w.wal = p.MustBackup(w.dir) + ":" + w.dir
	return w
}

// prepare leaves the base backup for the WAL.
func (w *walProof) prepare() harness.Result {
	w.t.Helper()
	result := w.plakar.MustRun(w.args(w.base, "prepare=true")...)
	if !strings.Contains(result.Output(), "PREPARED, and nothing is checked yet") {
		w.t.Error(result.Output())
	}
	w.waits()
	return result
}

// waits checks that the base backup is there, and nothing else.
func (w *walProof) waits() {
	w.t.Helper()
	if entries, err := os.ReadDir(w.scratch); err != nil || len(entries) != 1 || entries[0].Name() != "plakar-prepared" {
		w.t.Errorf("there are %v %v", entries, err)
	}
	nothingLeft(w.t, w.plakar, nil)
}

// refuses runs a check that changes nothing.
func (w *walProof) refuses(want, snapshot string, options ...string) {
	w.t.Helper()
	if result := w.plakar.MustFail(w.args(snapshot, options...)...); !strings.Contains(result.Message(), want) {
		w.t.Errorf("%q: it does not say %q: %s", options, want, result.Output())
	}
}

// A base backup is left for its WAL, which leads to a moment: what is there is checked, a table
// is dumped as it was then, and nothing stays.
func TestCheckWAL(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "recovery is that of the version; two are enough")
	harness.OwnToolsOnly(t, "the server's own programs are used")
	w := newWALProof(t)
	three := w.moments[3]
	w.fails(w.wal, []string{"no base backup waits for it in " + w.scratch, "-o prepare=true BASE_BACKUP, and then "})
	w.fails(w.base, []string{`option "target_lsn": the snapshot is a base backup, and only WAL leads on from there`}, "target_lsn="+three.lsn)

	must(t, os.Remove(w.reportFile()))
	w.prepare()
	if _, err := os.Lstat(w.reportFile()); err == nil {
		t.Error("there is a report, and no check was made")
	}
	w.plakar.DestinationAdd("proof", "postgres+check://"+w.scratch, w.options...)
	if result := w.plakar.MustRun("destination", "ping", "proof"); !strings.Contains(result.Output(), "here waits for its WAL: the base backup of ") {
		t.Error(result.Output())
	}
	// What is wrong before anything is changed leaves it there, as does another check.
	w.refuses(`option "prepare": the snapshot is WAL`, w.wal, "prepare=true")
	w.refuses(`option "target_time": 2020-01-01 00:00:00+00 is before the end of the base backup`, w.wal, "target_time=2020-01-01 00:00:00Z")
	w.plakar.MustRun(w.args(w.base, "level=start")...)
	w.waits()

	dump := filepath.Join(t.TempDir(), "clock.dump")
	r := w.passes(w.wal, "target_time="+three.time, "tables=postgres.public.clock", "dump="+dump)
	if got := rowsOf(r, "postgres", "public", "clock"); got != 3 {
		t.Errorf("at the third moment there are %d rows", got)
	}
	if *r.Snapshot.Kind != "wal" || r.Snapshot.ManifestSHA256 == nil || r.Base == nil || *r.Base.Kind != "physical" || r.Base.ManifestSHA256 == nil ||
		r.Recovery == nil || *r.Recovery.Target != "target_time="+three.time || r.Recovery.LSN == nil || r.Recovery.Time == nil {
		t.Errorf("%+v %+v %+v", r.Snapshot, r.Base, r.Recovery)
	}
	w.src.Exec(t, "postgres", "CREATE DATABASE again")
	tool(t, w.src, "again", "pg_restore", "--exit-on-error", "-d", "again", dump)
	if got := w.src.QueryText(t, "again", "SELECT count(*), max(id) FROM clock"); got != "3|3" {
		t.Errorf("in the dump: %s", got)
	}

	// One base backup can wait: another one takes its place.
	w.prepare()
	if result := w.prepare(); !strings.Contains(result.Output(), "no WAL was restored to what was waiting for it, which is removed") {
		t.Error(result.Output())
	}
	r = w.passes(w.wal, "level=amcheck")
	if got := rowsOf(r, "postgres", "public", "clock"); got != 6 || r.Recovery.Target != nil || len(r.Steps) != 4 {
		t.Errorf("at the end there are %d rows: %+v", got, r)
	}
}

// What the WAL lacks is found.
func TestCheckWALFinds(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the server's own programs are used")
	harness.LowestMajorOnly(t, "every version reports these alike")
	w := newWALProof(t)
	w.prepare()
	w.fails(w.wal, []string{"recovery ended before configured recovery target was reached"}, "level=start", "target_name=nosuch")

	segments, err := filepath.Glob(filepath.Join(w.dir, "wal/00000001*/*"))
	must(t, err)
	segments = slices.DeleteFunc(segments, func(name string) bool { return wal.KindOf(filepath.Base(name)) != wal.Complete })
	damaged := segments[len(segments)-2]
	text, err := os.ReadFile(damaged) //nolint:gosec // a test's own
	must(t, err)
	overwrite(t, damaged, 64, []byte("damaged!"))
	w.prepare()
	// The server takes it for the end of the WAL, and starts.
	w.fails(w.plakar.MustBackup(w.dir)+":"+w.dir, []string{"the server recovered to ", "what is behind is damaged"}, "level=start")
	must(t, os.WriteFile(damaged, text, 0o600)) //nolint:gosec // a test's own

	must(t, os.Remove(damaged))
	w.prepare()
	w.fails(w.plakar.MustBackup(w.dir)+":"+w.dir, []string{"WAL is missing from "}, "level=start")
}

package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// timeOf is a moment of the server's clock as the option target_time takes it.
const timeOf = `to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'`

// walConf keeps the server's WAL, and makes it what a real one's is.
var walConf = harness.Conf("full_page_writes = on", "synchronous_commit = on", "wal_keep_size = '2GB'", "max_wal_size = '2GB'", "archive_timeout = 0")

// clock makes a table whose rows tell how far a recovery went.
func clock(t *testing.T, s *harness.Server) {
	t.Helper()
	s.Exec(t, "postgres", "CREATE TABLE clock (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())")
}

// moment is what was true at a moment.
type moment struct {
	id       int
	balances string
	time     string // of the server's clock, for target_time
	lsn      string
	xid      string // of the transaction that inserted the row
}

// tick adds the row with that number, and a transaction of pgbench where its tables are, and
// notes what is true then.
func tick(t *testing.T, s *harness.Server, id int) moment {
	t.Helper()
	if s.QueryText(t, "postgres", "SELECT to_regclass('pgbench_accounts') IS NOT NULL") == "t" {
		tool(t, s, "postgres", "pgbench", "--no-vacuum", "--transactions=3")
	}
	m := moment{id: id}
	m.xid = s.QueryText(t, "postgres", fmt.Sprintf("INSERT INTO clock VALUES (%d) RETURNING pg_current_xact_id()", id))
	m.balances = balances(t, s)
	time.Sleep(5 * time.Millisecond) // what follows has another time
	m.time = s.QueryText(t, "postgres", "SELECT "+fmt.Sprintf(timeOf, "clock_timestamp()"))
	m.lsn = s.QueryText(t, "postgres", "SELECT pg_current_wal_insert_lsn()")
	time.Sleep(5 * time.Millisecond)
	return m
}

// balances are pgbench's, which agree with one another in every consistent state.
func balances(t *testing.T, s *harness.Server) string {
	t.Helper()
	if s.QueryText(t, "postgres", "SELECT to_regclass('pgbench_accounts') IS NOT NULL") != "t" {
		return ""
	}
	return s.QueryText(t, "postgres", `SELECT count(*), coalesce(sum(delta), 0), (SELECT sum(abalance) FROM pgbench_accounts),
		(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history`)
}

// asAt checks that a server has what was true at the moment, and nothing else.
func (m moment) asAt(t *testing.T, s *harness.Server) {
	t.Helper()
	if got := s.QueryText(t, "postgres", "SELECT coalesce(max(id), 0), count(*) FROM clock"); got != fmt.Sprintf("%d|%d", m.id, m.id) {
		t.Errorf("rows up to %s, want %d", got, m.id)
	}
	if got := balances(t, s); got != m.balances {
		t.Errorf("balances %s, want %s", got, m.balances)
	}
}

// layWAL lays out a directory as postgres+wal:// does: the segments of the server's pg_wal from
// one that has the position on (all for ""), and its history files. It returns the directory.
func layWAL(t *testing.T, s *harness.Server, from string) string {
	t.Helper()
	return addWAL(t, s, filepath.Join(t.TempDir(), "wal"), from)
}

// addWAL is layWAL into a directory that is there: what another server has.
func addWAL(t *testing.T, s *harness.Server, dir, from string) string {
	t.Helper()
	fields := strings.Split(s.QueryText(t, "postgres", "SELECT "+fmt.Sprintf(timeOf, "clock_timestamp()")+
		", pg_current_wal_flush_lsn(), system_identifier, pg_size_bytes(current_setting('wal_segment_size')) FROM pg_control_system()"), "|")
	name := s.QueryText(t, "postgres", "SELECT pg_walfile_name(pg_current_wal_flush_lsn())")
	size, err := strconv.ParseUint(fields[3], 10, 64)
	must(t, err)
	end, err := wal.ParseLSN(fields[1])
	must(t, err)
	last, err := wal.ParseSegment(name, size)
	must(t, err)
	begin := wal.LSN(0)
	if from != "" {
		begin, err = wal.ParseLSN(from)
		must(t, err)
	}
	names, err := filepath.Glob(filepath.Join(s.DataDir, "pg_wal", "0*"))
	must(t, err)
	for _, file := range names {
		name := filepath.Base(file)
		if wal.KindOf(name) == wal.HistoryFile {
			copyFile(t, file, filepath.Join(dir, "wal/history", name))
			continue
		}
		segment, err := wal.ParseSegment(name, size)
		if err != nil || segment.End() <= begin || segment.Start > last.Start {
			continue // a recycled one has a name beyond the end
		}
		to := filepath.Join(dir, segment.Path())
		if segment == last {
			to += wal.PartialSuffix
		}
		copyFile(t, file, to)
		put(t, filepath.Join(dir, segment.SumPath()), "sum of "+name)
	}
	doc := map[string]any{
		"version": 2, "connector": "postgres+wal", "dump_format": wal.DumpFormat, "cluster_system_identifier": fields[2],
		"wal": map[string]any{"segment_size": size, "timeline": last.Timeline, "end": map[string]any{
			"timeline": last.Timeline, "lsn": end, "time": strings.Replace(fields[0], " ", "T", 1) + ":00",
		}},
	}
	text, err := json.Marshal(doc)
	must(t, err)
	put(t, filepath.Join(dir, wal.ManifestPath), string(text))
	put(t, filepath.Join(dir, wal.FormatPath), "1\n")
	put(t, filepath.Join(dir, wal.SystemIdentifierPath), fields[2]+"\n")
	return dir
}

func put(t *testing.T, file, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from) //nolint:gosec // a test's own
	must(t, err)
	put(t, to, string(text))
}

// recovery is a base backup that was restored once, of which each case gets a copy.
type recovery struct {
	plakar   *harness.Plakar
	major    int
	restored string
	options  []string
}

// restoredBase backs up and restores the server, and starts nothing.
func restoredBase(t *testing.T, p *harness.Plakar, src *harness.Server, options ...string) *recovery {
	t.Helper()
	snapshot := p.MustBackup("@phys")
	s, _ := rebuild(t, p, snapshot, src.Major, options...)
	return &recovery{plakar: p, major: src.Major, restored: s.DataDir, options: []string{"pg_bin_dir=" + src.BinDir}}
}

// copy makes a server of a copy of the base backup, which was not started.
func (r *recovery) copy(t *testing.T) *harness.Server {
	t.Helper()
	s := harness.Reserve(t, r.major)
	out, err := exec.Command("cp", "-a", r.restored, s.DataDir).CombinedOutput() //nolint:gosec // a test's own
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// args are those of a restore of WAL into the server's directory.
func (r *recovery) args(t *testing.T, s *harness.Server, snapshot string, options ...string) []string {
	t.Helper()
	args := []string{"restore", "-to", binURL(s.DataDir)}
	for _, o := range append(append([]string{}, r.options...), options...) {
		args = append(args, "-o", o)
	}
	return append(args, snapshot)
}

// restoreWAL restores WAL into the server's directory, which has to succeed.
func (r *recovery) restoreWAL(t *testing.T, s *harness.Server, snapshot string, options ...string) harness.Result {
	t.Helper()
	result := r.plakar.Run(r.args(t, s, snapshot, options...)...)
	if result.ExitCode != 0 {
		t.Fatalf("%v: exit status %d\n%s", options, result.ExitCode, result.Output())
	}
	return result
}

// recover restores WAL into a new copy, and starts the server.
func (r *recovery) recover(t *testing.T, snapshot string, options ...string) (*harness.Server, harness.Result) {
	t.Helper()
	s := r.copy(t)
	result := r.restoreWAL(t, s, snapshot, options...)
	owned(t, s.DataDir)
	s.Start(t)
	return s, result
}

// promoted waits for the end of the recovery.
func promoted(t *testing.T, s *harness.Server) *harness.Server {
	t.Helper()
	eventually(t, "the end of the recovery", func() bool { return s.QueryText(t, "postgres", "SELECT pg_is_in_recovery()") == "f" })
	return s
}

// refused restores WAL into a new copy, which has to fail, and tells what it says.
func (r *recovery) refused(t *testing.T, s *harness.Server, want []string, snapshot string, options ...string) harness.Result {
	t.Helper()
	result := r.plakar.Run(r.args(t, s, snapshot, options...)...)
	if result.ExitCode != 1 {
		t.Errorf("%v: exit status %d: %s", options, result.ExitCode, result.Output())
	}
	for _, text := range want {
		if !strings.Contains(result.Message(), text) {
			t.Errorf("%v: it does not say %q: %s", options, text, result.Output())
		}
	}
	return result
}

// cannotStart checks that no server starts on a directory.
func cannotStart(t *testing.T, s *harness.Server) {
	t.Helper()
	notStartable(t, s.DataDir)
	if _, err := os.Lstat(filepath.Join(s.DataDir, "plakar-restore-incomplete")); err != nil {
		t.Error(err)
	}
}

// unchanged checks that a directory is as it was, down to the names.
func (r *recovery) unchanged(t *testing.T, s *harness.Server) {
	t.Helper()
	list := func(dir string) string {
		var names []string
		must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			names = append(names, strings.TrimPrefix(path, dir)+" "+entry.Type().String())
			return err
		}))
		return strings.Join(names, "\n")
	}
	if was, is := list(r.restored), list(s.DataDir); was != is {
		t.Errorf("%s was changed: %s", s.DataDir, is)
	}
}

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// binURL is the location of a data directory for a physical restore.
func binURL(dir string) string { return "postgres+bin://" + dir }

// rebuild restores a snapshot to a server's data directory, by our own connector, and has
// PostgreSQL's own tool verify it.
func rebuild(t *testing.T, p *harness.Plakar, snapshot string, major int, options ...string) (*harness.Server, harness.Result) {
	t.Helper()
	s := harness.Reserve(t, major)
	result := p.MustRestore(binURL(s.DataDir), snapshot, opts(t, options)...)
	owned(t, s.DataDir)
	if entries, err := filepath.Glob(filepath.Join(s.DataDir, "*plakar*")); err != nil || len(entries) > 0 {
		t.Errorf("left in the data directory: %q %v", entries, err)
	}
	return s, result
}

// opts are the flags for options of the connector.
func opts(t *testing.T, options []string) []string {
	t.Helper()
	flags := harness.OwnerOption(t)
	for _, o := range options {
		flags = append(flags, "-o", o)
	}
	return flags
}

// verifyBackup has PostgreSQL's own tool verify a restored data directory. Where the server found the
// files of a tablespace in the data directory, the backup manifest has them there only.
func verifyBackup(t *testing.T, s *harness.Server, tablespaces string) {
	t.Helper()
	tool(t, s, "", "pg_verifybackup", "--exit-on-error", "--ignore=manifest.json", "--ignore="+tablespaces, s.DataDir)
}

// owned checks that everything belongs to the user that servers run as, and that the group may read all of it or
// nothing, as it may the directory.
func owned(t *testing.T, dir string) {
	t.Helper()
	uid := harness.ServerUID(t)
	top, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	mode := top.Mode().Perm()
	if mode != 0o700 && mode != 0o750 {
		t.Errorf("%s has the mode %v", dir, mode)
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != uid {
			t.Errorf("%s belongs to %d", path, got)
		}
		if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != mode&0o040 || entry.IsDir() && info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// onTimeline checks which timeline a server is on.
func onTimeline(t *testing.T, s *harness.Server, want string) {
	t.Helper()
	eventually(t, "the end of the recovery", func() bool {
		return s.QueryText(t, "postgres", "SELECT pg_is_in_recovery()") == "f"
	})
	s.Exec(t, "postgres", "CHECKPOINT")
	if got := s.QueryText(t, "postgres", "SELECT timeline_id FROM pg_control_checkpoint()"); got != want {
		t.Errorf("timeline %s, want %s", got, want)
	}
}

// The whole way: tablespaces mapped by name and by OID and not at all, the WAL elsewhere; what
// was restored is the same, and can be backed up and restored again.
func TestPhysicalRestore(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major), harness.InitdbArgs("--data-checksums"), harness.Conf("full_page_writes = on"))
		harness.SeedHard(t, src)
		src.Exec(t, harness.SeedDatabase, "TRUNCATE app.unlogged") // PostgreSQL empties it after a recovery
		for _, name := range []string{"elsewhere", "second", "third"} {
			src.Exec(t, "postgres", "CREATE TABLESPACE "+name+" LOCATION "+harness.Literal(src.Dir(t, name)))
			src.Exec(t, "postgres", "CREATE TABLE in_"+name+" TABLESPACE "+name+" AS SELECT generate_series(1, 1000) AS a")
		}
		oid := src.QueryText(t, "postgres", "SELECT oid FROM pg_tablespace WHERE spcname = 'second'")
		p := physical(t, src)
		first := p.MustBackup("@phys")
		src.Stop(harness.Fast) // the original must not be needed, nor be touched
		places := harness.Reserve(t, major)
		fast, slow, wal := filepath.Join(places.SocketDir, "fast"), places.Dir(t, "slow"), filepath.Join(places.SocketDir, "wal")

		again, result := rebuild(t, p, first, major, "tablespaces=elsewhere="+fast+","+oid+"="+slow, "wal_dir="+wal)
		verifyBackup(t, again, "tablespaces")
		for _, want := range []string{"is complete", "WAL is needed from the segment", "ALTER SYSTEM RESET archive_mode;"} {
			if !strings.Contains(result.Output(), want) {
				t.Errorf("it does not say %q: %s", want, result.Output())
			}
		}
		for _, dir := range []string{fast, slow, wal} {
			owned(t, dir)
		}
		for link, want := range map[string]string{"pg_tblspc/" + oid: slow, "pg_wal": wal} {
			if got, err := os.Readlink(filepath.Join(again.DataDir, link)); err != nil || got != want {
				t.Errorf("%s leads to %q (%v), want %q", link, got, err, want)
			}
		}
		again.Start(t)
		onTimeline(t, again, "2")
		src.Start(t)
		compareData(t, src, again)

		p.SourceAdd("again", physicalURL(again), again.BinDirOption())
		second := p.MustBackup("@again")
		last, _ := rebuild(t, p, second, major, "target=immediate")
		tool(t, last, "", "pg_verifybackup", "--exit-on-error", "--ignore=manifest.json", "--ignore=tablespaces", "--ignore=pg_tblspc", last.DataDir)
		auto, err := os.ReadFile(filepath.Join(last.DataDir, "postgresql.auto.conf"))
		if err != nil || strings.Count(string(auto), "# begin of the settings") != 1 {
			t.Errorf("%v: %s", err, auto)
		}
		if links, err := filepath.Glob(filepath.Join(last.DataDir, "tablespaces", "*")); err != nil || len(links) != 3 {
			t.Errorf("tablespaces inside: %q %v", links, err)
		}
		last.Start(t)
		onTimeline(t, last, "3")
		compareData(t, src, last)
		amcheck(t, again)
		amcheck(t, last)
		nothingLeft(t, p, last)
	})
}

// A cluster without tablespaces, with everything that the seed has, started as it is.
func TestPhysicalRestoreSame(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major))
		harness.SeedHard(t, src)
		src.Exec(t, harness.SeedDatabase, "TRUNCATE app.unlogged")
		p := physical(t, src)
		snapshot := p.MustBackup("@phys")
		// A destination that is configured, two levels that do not exist yet, and a ping.
		s := harness.Reserve(t, major)
		s.DataDir = filepath.Join(s.SocketDir, "17", "main")
		p.DestinationAdd("copy", binURL(s.DataDir), "target=immediate", "target_action=promote")
		flags := harness.OwnerOption(t)
		if len(flags) == 0 { // the user whom the files go to exists
			p.MustRun("destination", "ping", "copy")
		}
		if _, err := os.Stat(filepath.Dir(s.DataDir)); err == nil {
			t.Error("the ping made a directory")
		}
		p.MustRestore("@copy", snapshot, flags...)
		owned(t, s.DataDir)
		verifyBackup(t, s, "tablespaces")
		s.Start(t)
		onTimeline(t, s, "2")
		harness.CompareClusters(t, src, s)
		amcheck(t, s)
		nothingLeft(t, p, s)
	})
}

// What would act on the outside is off, and the warning ends with what turns it on again.
func TestPhysicalRestoreSettings(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		src := harness.Start(t, harness.Major(major), harness.Conf(
			"archive_mode = on", "archive_command = 'false'", "recovery_target_name = 'of the source'", "max_logical_replication_workers = 3"))
		p := physical(t, src)
		snapshot := p.MustBackup("@phys")
		safe, result := rebuild(t, p, snapshot, major)
		safe.Start(t)
		onTimeline(t, safe, "2")
		settings := "SELECT current_setting('archive_mode'), current_setting('max_logical_replication_workers')"
		if got := safe.QueryText(t, "postgres", settings); got != "off|0" {
			t.Errorf("safe: %s", got)
		}
		_, sql, found := strings.Cut(result.Message(), "turn them on again and restart it: ")
		if sql, _, _ = strings.Cut(sql, "\n"); !found || !strings.Contains(sql, "max_logical_replication_workers") {
			t.Fatal(result.Output())
		}
		for statement := range strings.SplitSeq(strings.Trim(sql, "\" "), ";") {
			if strings.TrimSpace(statement) != "" {
				safe.Exec(t, "postgres", statement)
			}
		}
		safe.Stop(harness.Fast)
		safe.Start(t)
		if got := safe.QueryText(t, "postgres", settings); got != "on|3" {
			t.Errorf("after the SQL of the warning: %s\n%s", got, sql)
		}

		kept, result := rebuild(t, p, snapshot, major, "settings=keep", "target=immediate")
		if strings.Contains(result.Output(), "ALTER SYSTEM") {
			t.Error(result.Output())
		}
		kept.Start(t)
		onTimeline(t, kept, "2")
		if got := kept.QueryText(t, "postgres", settings); got != "on|3" {
			t.Errorf("keep: %s", got)
		}
	})
}

// A backup of a standby gives a primary, unless all is to be as it was.
func TestPhysicalRestoreStandby(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		primary := harness.Start(t, harness.Major(major), harness.Conf("full_page_writes = on"))
		primary.Exec(t, "postgres", "CREATE TABLE early AS SELECT generate_series(1, 1000) AS a")
		p := physical(t, primary)
		standby, _ := rebuild(t, p, p.MustBackup("@phys"), major, "settings=keep")
		standby.WriteFile(t, "standby.signal", "")
		auto, err := os.ReadFile(filepath.Join(standby.DataDir, "postgresql.auto.conf"))
		if err != nil {
			t.Fatal(err)
		}
		standby.WriteFile(t, "postgresql.auto.conf", string(auto)+"primary_conninfo = '"+strings.ReplaceAll(primary.URL("postgres"), "'", "''")+"'\n")
		standby.Start(t)
		primary.Exec(t, "postgres", "CREATE TABLE late AS SELECT generate_series(1, 1000) AS a")
		eventually(t, "the standby to follow", func() bool {
			return standby.QueryText(t, "postgres", "SELECT to_regclass('late') IS NOT NULL AND pg_is_in_recovery()") == "t"
		})
		p.SourceAdd("standby", physicalURL(standby), standby.BinDirOption())
		snapshot := p.MustBackup("@standby")
		standby.Stop(harness.Fast)

		for _, options := range [][]string{nil, {"settings=keep", "target=immediate"}} {
			s, result := rebuild(t, p, snapshot, major, options...)
			if strings.Contains(result.Output(), primary.Password) {
				t.Errorf("%v: the password is in the output", options)
			}
			verifyBackup(t, s, "tablespaces")
			s.Start(t)
			onTimeline(t, s, "2")
			compareData(t, primary, s)
		}
		s, _ := rebuild(t, p, snapshot, major, "settings=keep")
		s.Start(t)
		primary.Exec(t, "postgres", "CREATE TABLE later AS SELECT 1 AS a")
		eventually(t, "the copy to follow as a standby", func() bool {
			return s.QueryText(t, "postgres", "SELECT to_regclass('later') IS NOT NULL AND pg_is_in_recovery()") == "t"
		})
	})
}

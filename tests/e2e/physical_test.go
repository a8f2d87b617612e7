package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func TestPhysicalRoundTrip(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major), harness.InitdbArgs("--data-checksums"))
		harness.SeedHard(t, s)
		s.Exec(t, harness.SeedDatabase, "TRUNCATE app.unlogged") // PostgreSQL empties it after a recovery
		for _, method := range []string{"auto", "pg_basebackup"} {
			p := physical(t, s, "method="+method)
			p.MustRun("source", "ping", "phys")
			snapshot := p.MustBackup("@phys")
			nothingLeft(t, p, s)

			dataDir := restored(t, p, s, snapshot)
			info, err := os.Stat(dataDir)
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("mode of the data directory: %v %v", info.Mode(), err)
			}
			checkManifest(t, dataDir, method)
			again := harness.Adopt(t, dataDir)
			harness.CompareClusters(t, s, again)
			amcheck(t, again)
		}
	})
}

// checkManifest looks into manifest.json; auto is not pg_basebackup on any server here.
func checkManifest(t *testing.T, dataDir, method string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	made := map[bool]string{true: "pg_basebackup", false: "BASE_BACKUP"}[method == "pg_basebackup"]
	if m.Connector != "postgres+bin" || m.DumpFormat != "basebackup" ||
		(m.PgBasebackupVersion != "") != (method == "pg_basebackup") || m.Options["method"] != made ||
		m.ClusterSystemIdentifier == nil || !located(m) || len(m.Databases) < 4 || len(m.Warnings) > 0 {
		m.Databases, m.Roles = nil, nil
		out, _ := json.MarshalIndent(m, "", "  ")
		t.Errorf("manifest: %s", out)
	}
}

// located reports whether the manifest says where the backup is in the WAL, and which
// directory each tablespace is.
func located(m *manifest.Document) bool {
	withoutOID := func(ts manifest.Tablespace) bool { return ts.OID == 0 }
	return m.Base != nil && strings.Contains(m.Base.StartLSN, "/") && m.Base.StartLSN < m.Base.EndLSN && m.Base.Timeline == 1 &&
		m.Base.EndTime != nil && m.Base.EndTime.After(m.CreatedAt) && !slices.ContainsFunc(m.Tablespaces, withoutOID)
}

// With tablespaces: the restored cluster starts where it is, and can be backed up
// again, with nothing twice in it.
func TestPhysicalTablespaces(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major), harness.Conf("allow_in_place_tablespaces = on"))
		withTablespace(t, s)
		s.Exec(t, "postgres", "CREATE TABLESPACE inside LOCATION ''")
		s.Exec(t, "postgres", "CREATE TABLE near TABLESPACE inside AS SELECT 1 AS a")
		s.Exec(t, "postgres", "CREATE TABLESPACE hollow LOCATION "+harness.Literal(s.Dir(t, "hollow")))
		p := physical(t, s)
		first := p.MustBackup("@phys")
		nothingLeft(t, p, s)
		// The original must not be needed, nor be touched.
		s.Stop(harness.Fast)

		again := harness.Adopt(t, restored(t, p, s, first))
		s.Start(t)
		compareData(t, s, again)

		// The server lists what it finds in tablespaces/, while the tool follows the links.
		p.SourceAdd("again", physicalURL(again), again.BinDirOption())
		second := p.MustBackup("@again")
		if a, b := relations(p.Ls(first)), relations(p.Ls(second)); !slices.Equal(a, b) {
			t.Errorf("the backup of the restored cluster has other files:\n%q\nthan the first:\n%q", b, a)
		}
		last := harness.Adopt(t, restored(t, p, again, second, "pg_tblspc"))
		compareData(t, s, last)
		amcheck(t, last)

		// With absolute links into the data directory the server sends another stream.
		again.Stop(harness.Fast)
		links, err := filepath.Glob(filepath.Join(again.DataDir, "pg_tblspc", "*"))
		if err != nil || len(links) != 3 {
			t.Fatal(links, err)
		}
		for _, link := range links {
			if err := os.Remove(link); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(again.DataDir, "tablespaces", filepath.Base(link)), link); err != nil {
				t.Fatal(err)
			}
		}
		again.Start(t)
		third := p.MustBackup("@again")
		if a, b := relations(p.Ls(first)), relations(p.Ls(third)); !slices.Equal(a, b) {
			t.Errorf("with absolute links there are other files:\n%q\nthan the first:\n%q", b, a)
		}
		compareData(t, s, harness.Adopt(t, restored(t, p, again, third)))
	})
}

// A tablespace that the server does not send, because of what its link leads
// to, fails the backup.
func TestPhysicalTablespaceNotSent(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "files are the server's, whichever tool asks for them")
	for name, beside := range map[string]bool{"outside the data directory": false, "tablespaces is a link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t)
			withTablespace(t, s)
			oid := s.QueryText(t, "postgres", "SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'")
			location := s.QueryText(t, "postgres", "SELECT pg_tablespace_location("+oid+")")
			s.Stop(harness.Fast)
			link := filepath.Join(s.DataDir, "pg_tblspc", oid)
			target, err := filepath.Rel(filepath.Dir(link), location)
			if beside {
				target = filepath.Join("..", "tablespaces", oid)
				dir := s.Dir(t, "disk")
				err = errors.Join(os.Symlink(location, filepath.Join(dir, oid)), os.Symlink(dir, filepath.Join(s.DataDir, "tablespaces")))
			}
			if err := errors.Join(err, os.Remove(link), os.Symlink(target, link)); err != nil {
				t.Fatal(err)
			}
			s.Start(t)
			if count := s.QueryText(t, "postgres", "SELECT count(*) FROM far"); count != "1000" {
				t.Fatal(count)
			}
			p := physical(t, s)
			result := p.MustFail("backup", "@phys")
			if !strings.Contains(result.Output(), "the tablespace "+oid) {
				t.Error(result.Output())
			}
			nothingLeft(t, p, s)
		})
	}
}

// relations are the paths of data files and links.
func relations(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		for _, dir := range []string{"/base/", "/tablespaces/", "/pg_tblspc/"} {
			if strings.HasPrefix(path, dir) {
				return strings.Contains(path, "pg_internal.init") || strings.HasSuffix(path, "_fsm") || strings.HasSuffix(path, "_vm")
			}
		}
		return true
	})
}

// Under write load the backup is of one moment.
func TestPhysicalUnderLoad(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "files are the server's, whichever tool asks for them")
	s := harness.Start(t, harness.Conf("full_page_writes = on", "max_wal_size = 64MB", "min_wal_size = 32MB"))
	withTablespace(t, s)
	tool(t, s, "postgres", "pgbench", "--initialize", "--quiet", "--scale=5")
	load := exec.Command(s.Tool("pgbench"), "--time=600", "--client=2", "--rate=200", "--no-vacuum")
	load.Env = s.Env("postgres")
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = load.Process.Kill()
		_ = load.Wait()
	}()
	p := physical(t, s)
	for range harness.Count(2, 8) {
		again := harness.Adopt(t, restored(t, p, s, p.MustBackup("@phys")))
		sums := again.QueryText(t, "postgres", `SELECT count(*), sum(delta),
			(SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
			(SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history`)
		fields := strings.Split(sums, "|")
		if fields[0] == "0" || fields[1] != fields[2] || fields[2] != fields[3] || fields[3] != fields[4] {
			t.Errorf("history, accounts, tellers and branches do not agree: %s", sums)
		}
		amcheck(t, again)
	}
}

// From a standby, itself made from a backup.
func TestPhysicalStandby(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	primary := harness.Start(t, harness.Conf("full_page_writes = on"))
	withTablespace(t, primary)
	p := physical(t, primary)
	dataDir := restored(t, p, primary, p.MustBackup("@phys"))
	if err := os.WriteFile(filepath.Join(dataDir, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	standby := harness.Adopt(t, dataDir, harness.Conf("primary_conninfo = '"+
		strings.ReplaceAll(primary.URL("postgres"), "'", "''")+"'"))
	primary.Exec(t, "postgres", "CREATE TABLE late AS SELECT generate_series(1, 1000) AS a")
	eventually(t, "the standby to follow", func() bool {
		return standby.QueryText(t, "postgres", "SELECT to_regclass('late') IS NOT NULL AND pg_is_in_recovery()") == "t"
	})
	p.SourceAdd("standby", physicalURL(standby), standby.BinDirOption())
	snapshot := p.MustBackup("@standby")
	nothingLeft(t, p, standby)
	standby.Stop(harness.Fast)

	dataDir = restored(t, p, standby, snapshot, "pg_tblspc")
	if err := os.Remove(filepath.Join(dataDir, "standby.signal")); err != nil {
		t.Fatal(err)
	}
	compareData(t, primary, harness.Adopt(t, dataDir))
}

// A role that may do nothing but replicate: what the manifest cannot learn is in
// its warnings, and the backup is complete.
func TestPhysicalReplicationRoleOnly(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "files are the server's, whichever tool asks for them")
	for name, hba := range map[string]string{"with SQL": "local all nobody reject", "without SQL": "host all keeper all reject"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, harness.HBA(hba))
			withTablespace(t, s)
			s.Exec(t, "postgres", "CREATE ROLE keeper LOGIN REPLICATION PASSWORD 'k'; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
			p := harness.NewPlakar(t)
			p.SourceAdd("phys", "postgres+bin"+strings.TrimPrefix(s.URLFor("keeper", "k", ""), "postgres"), s.BinDirOption())
			snapshot := p.MustBackup("@phys")
			m, err := manifest.Read(bytes.NewReader(p.Cat(snapshot, "/manifest.json")))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Warnings) == 0 || m.ServerVersion == nil || m.ClusterSystemIdentifier == nil {
				t.Errorf("warnings %v, version %v, system identifier %v", m.Warnings, m.ServerVersion, m.ClusterSystemIdentifier)
			}
			compareData(t, s, harness.Adopt(t, restored(t, p, s, snapshot)))
		})
	}
}

func TestPhysicalRefuses(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it is refused before the backup begins")
	s := harness.Start(t)
	s.Exec(t, "postgres", "CREATE ROLE reader LOGIN PASSWORD "+harness.Literal(s.Password))
	withTablespace(t, s)
	for _, c := range []struct{ location, option, want string }{
		{physicalURL(s) + "postgres", "checkpoint=fast", "whole cluster"},
		{physicalURL(s), "spool_dir=/nonexistent", "spool_dir"},
		{physicalURL(s), "max_rate=1GB", "max_rate"},
		{physicalURL(s), "method=rsync", "auto, protocol, pg_basebackup"},
		{physicalURL(s), "method=pg_basebackup", "tablespaces"},
		{physicalURL(s), "username=reader", "REPLICATION"},
	} {
		p := harness.NewPlakar(t)
		p.SourceAdd("phys", c.location, c.option)
		result := p.MustFail("backup", "@phys")
		if !strings.Contains(result.Message(), c.want) {
			t.Errorf("%s %s: %s", c.location, c.option, result.Output())
		}
		if strings.Contains(result.Output(), s.Password) {
			t.Errorf("%s: the password is in the output", c.option)
		}
	}
}

// Without any one of its files a cluster is lost.
func TestPhysicalIgnore(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it is refused before the backup begins")
	s := harness.Start(t)
	p := physical(t, s)
	list := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(list, []byte("pg_control\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"-ignore=pg_control", "-ignore-file=" + list} {
		result := p.MustFail("backup", option, "@phys")
		if !strings.Contains(result.Output(), "always of the whole cluster") {
			t.Errorf("%s: %s", option, result.Output())
		}
	}
	nothingLeft(t, p, s)
}

// The server does not send what a link in the data directory leads to.
func TestPhysicalLinkedConfiguration(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "files are the server's, whichever tool asks for them")
	harness.AlsoInContainers(t)
	s := harness.Start(t)
	file := filepath.Join(s.DataDir, "pg_hba.conf")
	moved := filepath.Join(s.Dir(t, "etc"), "pg_hba.conf")
	if err := errors.Join(os.Rename(file, moved), os.Symlink(moved, file)); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"protocol", "pg_basebackup"} {
		p := physical(t, s, "method="+method)
		result := p.MustRun("backup", "@phys")
		if !strings.Contains(result.Output(), "pg_hba.conf is a link") || strings.Contains(result.Output(), "postgresql.conf is") {
			t.Errorf("%s: %s", method, result.Output())
		}
	}
}

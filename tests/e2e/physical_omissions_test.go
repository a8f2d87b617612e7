package e2e

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// moveAway puts what lies at a name in the data directory elsewhere, and a link in its
// place. The server must not run.
func moveAway(t *testing.T, s *harness.Server, name string) {
	t.Helper()
	from := name
	if !filepath.IsAbs(name) {
		from = filepath.Join(s.DataDir, name)
	}
	to := filepath.Join(s.Dir(t, "disk"), filepath.Base(name))
	if err := errors.Join(os.Rename(from, to), os.Symlink(to, from)); err != nil {
		t.Fatal(err)
	}
}

// fifo makes a named pipe in the data directory.
func fifo(t *testing.T, s *harness.Server, name string) {
	t.Helper()
	if err := syscall.Mkfifo(filepath.Join(s.DataDir, name), 0o600); err != nil {
		t.Fatal(err)
	}
}

// omission is something in a data directory that a server does not send.
type omission struct {
	name       string
	tablespace bool // the cluster has the tablespace "elsewhere" with the table far
	// make changes the data directory while the server is down. file is that of the
	// table big or, in the tablespace, far.
	make func(t *testing.T, s *harness.Server, file string)
	want string // in the message; FILE is file
}

// Without these a restored cluster lacks data, or does not start.
var fatalOmissions = []omission{
	{name: "database is a link", want: `"base/DATABASE"`, make: func(t *testing.T, s *harness.Server, file string) { moveAway(t, s, filepath.Dir(file)) }},
	{name: "table is a link", want: `"FILE"`, make: moveAway},
	{name: "table cannot be read", want: "could not open file", make: func(t *testing.T, s *harness.Server, file string) {
		if err := os.Chmod(filepath.Join(s.DataDir, file), 0); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "named pipe beside the tables", want: `"base/pipe"`, make: func(t *testing.T, s *harness.Server, _ string) { fifo(t, s, "base/pipe") }},
	{name: "shared catalog is a link", want: `"global/1262"`, make: func(t *testing.T, s *harness.Server, _ string) { moveAway(t, s, "global/1262") }},
	{name: "commit log is a link", want: `"pg_xact"`, make: func(t *testing.T, s *harness.Server, _ string) { moveAway(t, s, "pg_xact") }},
	{name: "part of the commit log is a link", want: `"pg_xact/0000"`, make: func(t *testing.T, s *harness.Server, _ string) { moveAway(t, s, "pg_xact/0000") }},
	{name: "several", want: `"FILE", "pg_multixact", "pg_xact"`, make: func(t *testing.T, s *harness.Server, file string) {
		moveAway(t, s, "pg_xact")
		moveAway(t, s, "pg_multixact")
		moveAway(t, s, file)
	}},
	{name: "table in a tablespace is a link", tablespace: true, want: `"FILE"`, make: func(t *testing.T, s *harness.Server, file string) {
		moveAway(t, s, resolved(t, s, file))
	}},
	{name: "database in a tablespace is a link", tablespace: true, want: `"pg_tblspc/`, make: func(t *testing.T, s *harness.Server, file string) {
		moveAway(t, s, filepath.Dir(resolved(t, s, file)))
	}},
	{name: "tablespace's directory is a link", tablespace: true, want: `pg_tblspc/`, make: func(t *testing.T, s *harness.Server, file string) {
		moveAway(t, s, filepath.Dir(filepath.Dir(resolved(t, s, file))))
	}},
}

// resolved is where a file in a tablespace really is.
func resolved(t *testing.T, s *harness.Server, file string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(filepath.Join(s.DataDir, file))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// What the server does not send fails the backup, by name, if a restored cluster needs it.
func TestPhysicalOmissionFails(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		for _, o := range fatalOmissions {
			t.Run(o.name, func(t *testing.T) {
				t.Parallel()
				s := harness.Start(t, harness.Major(major))
				bigTable(t, s, "big", 1, "pg_default")
				table, methods := "big", []string{"protocol", "pg_basebackup"}
				if o.tablespace {
					withTablespace(t, s)
					table, methods = "far", methods[:1]
				}
				file := s.QueryText(t, "postgres", "SELECT pg_relation_filepath('"+table+"')")
				s.Stop(harness.Fast)
				o.make(t, s, file)
				s.Start(t)
				want := strings.NewReplacer("FILE", file, "DATABASE", filepath.Base(filepath.Dir(file))).Replace(o.want)
				for _, method := range methods {
					p := physical(t, s, "method="+method)
					result := p.MustFail("backup", "@phys")
					if !strings.Contains(result.Message(), want) {
						t.Errorf("%s: the message lacks %s:\n%s", method, want, result.Output())
					}
					if left := p.Snapshots(); len(left) > 0 {
						t.Errorf("%s: snapshots %q", method, left)
					}
					nothingLeft(t, p, s)
				}
			})
		}
	})
}

// A control file that is a link is sent by some servers cut to the length of the link,
// which fails the backup, and by others as what it leads to, which is whole.
func TestPhysicalControlFileIsALink(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major))
		s.Stop(harness.Fast)
		moveAway(t, s, "global/pg_control")
		s.Start(t)
		for _, method := range []string{"protocol", "pg_basebackup"} {
			p := physical(t, s, "method="+method)
			snapshot, result := p.Backup("@phys")
			if result.ExitCode != 0 {
				if !strings.Contains(result.Message(), `"global/pg_control"`) || len(p.Snapshots()) > 0 {
					t.Errorf("%s: the message lacks the control file, or a snapshot was kept:\n%s", method, result.Output())
				}
				continue
			}
			restored, result := rebuild(t, p, snapshot, major)
			ok(t, result)
			restored.Start(t)
			query(t, restored, "postgres", "SELECT system_identifier FROM pg_control_system()", s.QueryText(t, "postgres", "SELECT system_identifier FROM pg_control_system()"))
		}
	})
}

// What a restored cluster does not need is named in a warning, and the backup is
// complete. Links that the server follows, or that it sends as empty directories, are
// neither.
func TestPhysicalOmissionWarns(t *testing.T) {
	t.Parallel()
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major))
		bigTable(t, s, "big", 1, "pg_default")
		s.Stop(harness.Fast)
		if err := os.Mkdir(filepath.Join(s.DataDir, "log"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"log", "pg_wal", "pg_replslot", "pg_subtrans"} {
			moveAway(t, s, name)
		}
		fifo(t, s, "pipe")
		socket, err := net.Listen("unix", filepath.Join(s.DataDir, "socket"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.Close() }()
		s.Start(t)
		for _, method := range []string{"protocol", "pg_basebackup"} {
			p := physical(t, s, "method="+method)
			snapshot, result := p.Backup("@phys")
			if result.ExitCode != 0 {
				t.Fatalf("%s: exit status %d\n%s", method, result.ExitCode, result.Output())
			}
			m, err := manifest.Read(bytes.NewReader(p.Cat(snapshot, "/manifest.json")))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: manifest.json warns: %+v", method, m.Warnings)
			for _, name := range []string{"log", "pipe", "socket"} {
				if want := name + `\" in the data directory is neither`; !strings.Contains(result.Stderr, want) {
					t.Errorf("%s: no warning of %s:\n%s", method, name, result.Output())
				}
			}
			for _, name := range []string{"pg_wal", "pg_replslot", "pg_subtrans"} {
				if strings.Contains(result.Stderr, name) {
					t.Errorf("%s: something is said of %s:\n%s", method, name, result.Output())
				}
			}
			harness.CompareClusters(t, s, harness.Adopt(t, restored(t, p, s, snapshot)))
		}
	})
}

// harmlessDirs are what initdb makes and a recovery does not read: sent empty, whatever
// they are, or for statistics only.
var harmlessDirs = []string{"pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans"}

// A directory that a new major version brings must be known: see neededDirs in
// importer/physical.
func TestPhysicalDirectoriesKnown(t *testing.T) {
	t.Parallel()
	needed := []string{"base", "global", "pg_commit_ts", "pg_logical", "pg_multixact", "pg_tblspc", "pg_twophase", "pg_wal", "pg_xact"}
	harness.EachMajorOfRun(t, func(t *testing.T, major int) {
		s := harness.Start(t, harness.Major(major))
		entries, err := os.ReadDir(s.DataDir)
		if err != nil {
			t.Fatal(err)
		}
		known := " " + strings.Join(append(needed, harmlessDirs...), " ") + " "
		for _, entry := range entries {
			if entry.IsDir() && !strings.Contains(known, " "+entry.Name()+" ") {
				t.Errorf("PostgreSQL %d has the directory %s", major, entry.Name())
			}
		}
	})
}

//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// tools makes a directory of client tools, with shell scripts in place of some. REAL
// in a script is the directory of the real ones; what a script does not say otherwise,
// it answers about its version.
func (s *scene) tools(scripts map[string]string) string {
	s.Helper()
	dir := s.TempDir()
	for _, tool := range []string{"pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"} {
		file := filepath.Join(dir, tool)
		script, fake := scripts[tool]
		if !fake {
			if err := os.Symlink(s.server.ClientTool(tool), file); err != nil {
				s.Fatal(err)
			}
			continue
		}
		script = "#!/bin/sh\ncase \"$1\" in --version) exec REAL/" + tool + " --version ;; esac\n" + script + "\n"
		script = strings.ReplaceAll(script, "REAL", s.server.ToolsDir)
		if err := os.WriteFile(file, []byte(script), 0o755); err != nil { //nolint:gosec // a program
			s.Fatal(err)
		}
	}
	return "pg_bin_dir=" + dir
}

// withTool backs up with a script in pg_dump's place.
func withTool(script string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.source(nil, s.tools(map[string]string{"pg_dump": script}))
		return s.end(s.backup())
	}
}

// toolDirectory backs up with tools that act has changed.
func toolDirectory(act func(s *scene, dir string)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		option := s.tools(nil)
		act(s, strings.TrimPrefix(option, "pg_bin_dir="))
		s.source(nil, option)
		return s.end(s.backup())
	}
}

// absentTool takes a tool away, deadTool makes it one that cannot be run.
func absentTool(s *scene, file string) { must(s, os.Remove(file)) }

func deadTool(s *scene, file string) {
	absentTool(s, file)
	must(s, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600))
}

// restoreTool restores with tools one of which act has changed.
func restoreTool(name string, act func(s *scene, file string)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		option := s.tools(nil)
		act(s, filepath.Join(strings.TrimPrefix(option, "pg_bin_dir="), name))
		s.destination(nil, option)
		return s.end(s.restore())
	}
}

var toolFaults = []fault{
	{
		name: "backup, no pg_dump", what: "pg_dump is not there",
		exit: 1, says: []string{`option "pg_bin_dir"`, "pg_dump", "no such file or directory"},
		do: toolDirectory(func(s *scene, dir string) { must(s, os.Remove(filepath.Join(dir, "pg_dump"))) }),
	},
	{
		name: "backup, no pg_dumpall", what: "pg_dumpall is not there",
		exit: 1, says: []string{`option "pg_bin_dir"`, "has pg_dump but no pg_dumpall"},
		do: toolDirectory(func(s *scene, dir string) { must(s, os.Remove(filepath.Join(dir, "pg_dumpall"))) }),
	},
	{
		name: "backup, pg_dump not executable", what: "pg_dump is not executable",
		exit: 1, says: []string{`option "pg_bin_dir"`, "pg_dump", "permission denied"},
		do: toolDirectory(func(s *scene, dir string) {
			deadTool(s, filepath.Join(dir, "pg_dump"))
		}),
	},
	{
		name: "backup, pg_dumpall not executable", what: "pg_dumpall is not executable",
		exit: 1, says: []string{"the globals (roles and tablespaces)", "pg_dumpall", "permission denied"},
		do: toolDirectory(func(s *scene, dir string) {
			deadTool(s, filepath.Join(dir, "pg_dumpall"))
		}),
	},
	{
		name: "backup, another program", what: "`pg_dump` is another program",
		exit: 1, says: []string{`option "pg_bin_dir"`, "its version is not readable"},
		do: toolDirectory(func(s *scene, dir string) {
			must(s, os.Remove(filepath.Join(dir, "pg_dump")))
			must(s, os.WriteFile(filepath.Join(dir, "pg_dump"), []byte("#!/bin/sh\necho hello\n"), 0o700)) //nolint:gosec // a program
		}),
	},
	{
		name: "backup, megabytes of messages", what: "pg_dump prints megabytes of messages and fails: the beginning and the end are shown",
		exit: 1, says: []string{whole, "the beginning", "[...]", "the end", "exit status 3"},
		do: withTool(`echo "the beginning" >&2; head -c 5000000 /dev/zero | tr '\0' 'x' >&2; echo "the end" >&2; exit 3`),
		after: func(s *scene) {
			if n := len(s.said); n > 32<<10 {
				s.Errorf("%d bytes of output", n)
			}
		},
	},
	{
		name: "backup, messages in no encoding", what: "pg_dump's message is not UTF-8, or has control characters",
		exit: 1, says: []string{whole, "caf\uFFFD", "exit status 3"},
		do: withTool(`printf 'caf\351 \377\376 \033[31mred\n' >&2; exit 3`),
		after: func(s *scene) {
			if strings.ContainsRune(s.said, 0x1b) {
				s.Error("an escape sequence reaches the terminal")
			}
		},
	},
	{
		name: "backup, half a dump", what: "pg_dump fails after half of its output",
		exit: 1, says: []string{whole, "no more", "exit status 1"},
		do: withTool(`head -c 3000000 /dev/zero; echo "no more" >&2; exit 1`),
	},
	{
		name: "backup, warnings", what: "pg_dump prints warnings and succeeds",
		exit: 0, snapshot: true,
		do: withTool(`echo "pg_dump: warning: there are circular foreign-key constraints" >&2; exec REAL/pg_dump "$@"`),
	},
	{
		name: "backup, deaf tool", what: "pg_dump does not react to SIGTERM; plakar is killed (`kill -9`)", exit: killed,
		left: plakarsOwn,
		do: func(s *scene) harness.Result {
			s.source(nil, s.tools(map[string]string{"pg_dump": `trap '' TERM; head -c 100000 /dev/zero; exec sleep 600`}))
			run := s.backup()
			s.tool("sleep")
			run.Kill()
			return s.end(run)
		},
	},
	{
		name: "backup, pg_dumpall fails", what: "the globals cannot be dumped: the databases are tried nevertheless",
		exit: 1, says: []string{"the globals (roles and tablespaces)", "permission denied for pg_authid"},
		do: func(s *scene) harness.Result {
			s.source(nil, s.tools(map[string]string{"pg_dumpall": `echo "pg_dumpall: error: permission denied for pg_authid" >&2; exit 1`}))
			return s.end(s.backup())
		},
	},
}

// smallTablespace gives the server of the scene a tablespace small on a file system of a size, whose
// directory is returned.
func (s *scene) smallTablespace(bytes string) (dir string) {
	s.Helper()
	dir = s.server.Dir(s, "small")
	var owner syscall.Stat_t
	must(s, syscall.Stat(dir, &owner))
	s.small(dir, bytes)
	must(s, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	s.server.Stop(harness.Fast) // a container has what was mounted when it started
	s.server.Start(s)
	s.server.Exec(s, "postgres", "CREATE TABLESPACE small LOCATION "+harness.Literal(dir))
	return dir
}

// small mounts a file system of so many bytes that is removed with the test.
func (s *scene) small(dir string, bytes string) {
	s.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes+",mode=0777"); err != nil {
		s.Skipf("mounting a small file system: %v (root can)", err)
	}
	s.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill leaves but so many bytes free on the file system of file.
func (s *scene) fill(file string, free int64) {
	s.Helper()
	f, err := os.Create(file) //nolint:gosec // ours
	must(s, err)
	var size int64
	for block := make([]byte, 4096); err == nil; size += 4096 {
		_, err = f.Write(block)
	}
	must(s, f.Truncate(max(0, size-free)))
	must(s, f.Close())
}

// full backs up into a store on a small file system, which act can fill.
func full(act func(s *scene, disk string)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.source(nil)
		return s.intoFull(func(disk string) { act(s, disk) })
	}
}

func (s *scene) intoFull(act func(disk string)) harness.Result {
	s.Helper()
	disk := s.TempDir()
	s.small(disk, "1m")
	s.plakar.Store = filepath.Join(disk, "store")
	s.plakar.MustRun("create", "-plaintext")
	act(disk)
	return s.end(s.backup())
}

// brokenIsFound checks that plakar check finds a broken snapshot. Sometimes not even
// the snapshot's own record finds room.
func brokenIsFound(s *scene) {
	s.Helper()
	if checked := s.plakar.Run("check"); checked.ExitCode == 0 && len(s.plakar.Snapshots()) > 0 {
		s.Errorf("plakar check finds nothing:\n%s", checked.Output())
	}
}

var storeFaults = []fault{
	{
		name: "backup, no room in the store", what: "the store is full to the last byte",
		exit: 1, says: []string{"no space left on device"},
		do: full(func(s *scene, disk string) {
			s.fill(filepath.Join(disk, "filler"), 0)
		}),
	},
	{
		// Nothing that a plugin could notice: it has delivered everything by then.
		name: "backup, little room in the store",
		what: "the store has room for some of the data: plakar 1.1.4 says so and yet exits with status 0; it may keep a broken snapshot, which `plakar check` finds",
		exit: 0, chance: true, says: []string{"error:", "no space left on device"},
		do:    full(func(*scene, string) {}),
		after: brokenIsFound,
	},
}

func must(s *scene, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// rows checks how many rows the table t has.
func (s *scene) rows(want string) {
	s.Helper()
	if got := s.server.QueryText(s, s.db, "SELECT count(*) FROM t"); got != want {
		s.Errorf("%s rows are there, want %s", got, want)
	}
}

// plainRestore restores into a database that prepare has made, or not.
func plainRestore(prepare func(s *scene), options ...string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		prepare(s)
		s.destination(nil, options...)
		return s.end(s.restore())
	}
}

// inUse makes the target database, with somebody connected to it.
func inUse(s *scene) {
	s.Helper()
	s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
	s.server.Exec(s, s.db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	s.server.Connect(s, s.db)
}

// altered saves the files of the stage's snapshot with one thing changed, to be
// restored in its place.
func (s *scene) altered(change func(files map[string]string)) {
	s.Helper()
	own := s.plakar.Store
	s.plakar.Store = s.stage.store
	files := make(map[string]string)
	for _, path := range s.plakar.Ls(s.stage.snapshot) {
		files[path] = string(s.plakar.Cat(s.stage.snapshot, path))
	}
	s.plakar.Store = own
	change(files)
	dir := s.TempDir()
	for path, text := range files {
		must(s, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	s.snapshot = s.plakar.MustBackup(dir) + ":" + dir
}

// replaced changes the text of the dump.
func replaced(from, to string) func(s *scene) {
	return func(s *scene) {
		s.Helper()
		s.altered(func(files map[string]string) {
			if !strings.Contains(files[dumpFile], from) {
				s.Fatalf("the dump has no %q", from)
			}
			files[dumpFile] = strings.ReplaceAll(files[dumpFile], from, to)
		})
	}
}

const dumpFile = "/00001-origin.dump"

// older restores a dump of the newest version into a server of the oldest one, with
// the newest tools.
func older(sql string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		majors := harness.Majors()
		newest := majors[len(majors)-1]
		if newest < 17 || majors[0] >= 17 {
			s.Skip("the installed versions are not on both sides of 17")
		}
		newer := harness.Start(s, harness.Major(newest))
		newer.Exec(s, "postgres", "CREATE ROLE faults_owner")
		newer.Exec(s, "postgres", "CREATE DATABASE origin")
		newer.Exec(s, "origin", content+sql)
		s.plakar.SourceAdd("newer", newer.URL("origin"), newer.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@newer")
		s.server = harness.Start(s, harness.Major(majors[0]))
		s.destination(nil, newer.BinDirOption())
		return s.end(s.restore())
	}
}

var targetFaults = []fault{
	{
		name: "restore, database missing", what: "the database does not exist, with `clean` or `data_only`",
		exit: 1, says: []string{broken, "it does not exist", "hint:", "recreate=true"}, target: "nothing",
		do: plainRestore(func(*scene) {}, "clean=true"),
	},
	{
		name: "restore, database in use", what: "the database is in use, with `recreate`",
		exit: 1, says: []string{broken, "being accessed by other users", "55006", "1 other session", "hint:", "force=true"}, target: "it is left as it was",
		do: plainRestore(inUse, "recreate=true"), after: func(s *scene) { s.rows("1") },
	},
	{
		name: "restore, database in use, force", what: "the database is in use, with `recreate` and `force`",
		exit: 0, target: "everything; the sessions were ended",
		do: plainRestore(inUse, "recreate=true", "force=true"), after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, database not empty", what: "the database has a table of the same name",
		exit: 1, says: []string{broken, "pg_restore", `relation "t" already exists`}, target: "all but that table and its rows",
		do: plainRestore(func(s *scene) {
			inUse(s)
			s.server.Exec(s, s.db, "UPDATE t SET x = 5")
		}),
		after: func(s *scene) {
			s.rows("1")
			if got := s.server.QueryText(s, s.db, "SELECT x FROM other"); got != "7" {
				s.Errorf("other has %q", got)
			}
		},
	},
	{
		name: "restore, older server", what: "the server's major version is older than the dump's, which has what the older one does not know",
		exit: 1, says: []string{broken, "pg_restore", `unrecognized privilege type "maintain"`, "hint: the dump was made of PostgreSQL"}, target: "all but what the older version does not know",
		do:    older("GRANT MAINTAIN ON t TO faults_owner"),
		after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, older server, nothing new", what: "the server's major version is older than the dump's, which has nothing that the older one does not know",
		exit: 0, target: "everything",
		do:    older("SELECT"),
		after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, role missing", what: "a role is missing (`no_globals`, or globals that failed)",
		exit: 1, says: []string{broken, "pg_restore", `role "nobodys_role" does not exist`}, target: "everything; what the role owned belongs to who restores",
		do: plainRestore(replaced("faults_owner", "nobodys_role"), "no_globals=true"), after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, extension missing", what: "an extension is not installed on the server",
		exit: 1, says: []string{broken, "pg_restore", `extension "nosuch" is not available`}, target: "all but what needs it",
		do: plainRestore(replaced("citext", "nosuch")), after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, tablespace folder missing", what: "the folder of a tablespace is missing",
		exit: 1, says: []string{"restoring the globals (roles and tablespaces)", `directory "/nonexistent/folder" does not exist`, "58P01"}, target: "everything; what was in it is in the default tablespace",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				files["/00000-globals.sql"] += "\nCREATE TABLESPACE lost OWNER postgres LOCATION '/nonexistent/folder';\n"
			})
		}), after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, disk full", what: "the server's disk is full",
		exit: 1, says: []string{broken, "pg_restore", "No space left on device"}, target: "what found room; none of the rows under way", own: true,
		do: func(s *scene) harness.Result {
			dir := s.server.Dir(s, "small")
			var owner syscall.Stat_t
			must(s, syscall.Stat(dir, &owner))
			s.small(dir, "24m")
			must(s, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
			s.server.Stop(harness.Fast) // a container has what was mounted when it started
			s.server.Start(s)
			s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
			s.server.Exec(s, "postgres", "CREATE TABLESPACE small LOCATION "+harness.Literal(dir))
			s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db+" TABLESPACE small")
			s.fill(filepath.Join(dir, "filler"), 1<<20)
			s.destination(nil)
			return s.end(s.restore())
		},
		after: noRows,
	},
	{
		name: "restore, spool full", what: "`spool_dir` is full, with `jobs` above 1",
		exit: 1, says: []string{"spooling the dump of database \"origin\"", "no space left on device"}, target: "nothing of that database",
		do: func(s *scene) harness.Result {
			dir := s.TempDir()
			s.small(dir, "1m")
			s.destination(nil, "jobs=2", "spool_dir="+dir)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, spool missing", what: "`spool_dir` is not there, with `jobs` above 1",
		exit: 1, says: []string{"creating a temporary file in", "/nonexistent"}, target: "nothing of that database",
		do: plainRestore(func(*scene) {}, "jobs=2", "spool_dir=/nonexistent"),
	},
	{
		name: "restore, no pg_restore", what: "pg_restore or psql is not there",
		exit: 1, says: []string{"pg_bin_dir", "pg_restore", "no such file or directory"}, target: "nothing",
		do: func(s *scene) harness.Result {
			option := s.tools(nil)
			must(s, os.Remove(filepath.Join(strings.TrimPrefix(option, "pg_bin_dir="), "pg_restore")))
			s.destination(nil, option)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, megabytes of messages", what: "pg_restore prints megabytes of messages, in no encoding",
		exit: 1, says: []string{broken, "exit status 3", "caf\uFFFD", "more lines"}, target: "what pg_restore restored",
		do: func(s *scene) harness.Result {
			s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db)
			s.destination(nil, s.tools(map[string]string{"pg_restore": `cat >/dev/null; printf 'caf\351 \033[31m\n' >&2; yes 'pg_restore: error: and so on' | head -c 3000000 >&2; exit 3`}))
			return s.end(s.restore())
		},
		after: func(s *scene) {
			if len(s.said) > 32<<10 || strings.ContainsRune(s.said, 0x1b) {
				s.Errorf("%d bytes of output, or an escape sequence in it", len(s.said))
			}
		},
	},
}

var contentFaults = []fault{
	{
		name: "restore, damaged dump", what: "the dump is damaged in its middle",
		exit: 1, says: []string{broken, "pg_restore"}, target: "what came before the damage",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				text := []byte(files[dumpFile])
				for i := range 4096 {
					text[len(text)/2+i] ^= 0xff
				}
				files[dumpFile] = string(text)
			})
		}),
	},
	{
		name: "restore, short dump", what: "the end of the dump is missing",
		exit: 1, says: []string{broken, "pg_restore", "end of file"}, target: "what was there",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files[dumpFile] = files[dumpFile][:len(files[dumpFile])/2] })
		}),
		after: noRows,
	},
	{
		name: "restore, no dump", what: "a file that should be a dump is something else",
		exit: 1, says: []string{broken, "the dump is damaged", "does not begin like an archive of pg_dump"}, target: "nothing of that database",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files[dumpFile] = "hello" })
		}),
	},
	{
		name: "restore, unexpected file", what: "the snapshot has a file that no backup of PostgreSQL has",
		exit: 1, says: []string{"notes.txt is not part of a PostgreSQL backup"}, target: "everything else",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files["/notes.txt"] = "hello" })
		}),
		after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, dump missing", what: "the snapshot lacks a dump that its manifest names",
		exit: 1, says: []string{`the snapshot lacks the dump of "lost"`, "hint:"}, target: "everything else",
		do: func(s *scene) harness.Result {
			s.altered(func(files map[string]string) {
				files["/manifest.json"] = `{"version": 2, "files": [{"path": "/00002-lost.dump", "database": "lost"}]}`
			})
			s.plakar.DestinationAdd("dst", s.url(nil), s.with(nil)...)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, later manifest", what: "the manifest is of a version that this package does not know",
		exit: 1, says: []string{"reading the manifest: its version is 3, only version 2 is understood"}, target: "everything",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				files["/manifest.json"] = `{"version": 3}`
			})
		}),
		after: func(s *scene) { s.rows("12000") },
	},
	{
		name: "restore, physical snapshot", what: "a physical snapshot (`postgres+bin://`) is restored through `postgres://`",
		exit: 1, says: []string{"this is a physical backup", "hint: restore it into a folder"}, target: "nothing",
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				clear(files)
				files["/PG_VERSION"], files["/postgresql.auto.conf"] = "15\n", ""
			})
		}),
	},
	{
		name: "restore, several dumps into one", what: "the snapshot has several dumps, and `database` names one target",
		exit: 1, says: []string{"the snapshot has several dumps (origin, second)", "nothing was restored", "hint:"}, target: "nothing",
		do: func(s *scene) harness.Result {
			s.altered(func(files map[string]string) { files["/00002-second.dump"] = files[dumpFile] })
			s.plakar.DestinationAdd("dst", s.url(nil), s.with(nil)...)
			return s.end(s.restore())
		},
	},
}

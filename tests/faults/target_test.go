//go:build linux

package faults

import (
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

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
		exit: 1, says: []string{broken, "the database does not exist", "hint:", "recreate=true"}, target: nothingMade,
		do: plainRestore(func(*scene) {}, "clean=true"),
	},
	{
		name: "restore, database in use", what: "the database is in use, with `recreate`", own: true,
		exit: 1, says: []string{broken, "being accessed by other users", "1 other session", "hint:", "force=true"}, target: asItWas,
		do: plainRestore(inUse, "recreate=true"),
	},
	{
		name: "restore, database in use, force", what: "the database is in use, with `recreate` and `force`", own: true,
		exit: 0, target: outcome{"everything; the sessions were ended", everything.check},
		do: plainRestore(inUse, "recreate=true", "force=true"),
	},
	{
		name: "restore, database not empty", what: "the database has a table of the same name",
		exit: 1, says: []string{broken, "pg_restore", `relation "t" already exists`}, target: outcome{"all but that table and its rows", holds("1", "7", "1")},
		do: plainRestore(func(s *scene) {
			inUse(s)
			s.server.Exec(s, s.db, "UPDATE t SET x = 5")
		}),
	},
	{
		name: "restore, older server", what: "the server's major version is older than the dump's, which has what the older one does not know",
		exit: 1, says: []string{broken, "pg_restore", `unrecognized privilege type "maintain"`, "hint: the dump was made of PostgreSQL"}, target: outcome{"all but what the older version does not know", everything.check},
		do: older("GRANT MAINTAIN ON t TO faults_owner"),
	},
	{
		name: "restore, older server, nothing new", what: "the server's major version is older than the dump's, which has nothing that the older one does not know",
		exit: 0, target: everything,
		do: older("SELECT"),
	},
	{
		name: "restore, role missing", what: "a role is missing (`no_globals`, or globals that failed)",
		exit: 1, says: []string{broken, "pg_restore", `role "nobodys_role" does not exist`}, target: outcome{"everything; what the role owned belongs to who restores", func(s *scene) {
			everything.check(s)
			s.finds("SELECT tableowner FROM pg_tables WHERE tablename = 'other'", harness.Superuser)
		}},
		do: plainRestore(replaced("faults_owner", "nobodys_role"), "no_globals=true"),
	},
	{
		name: "restore, extension missing", what: "an extension is not installed on the server",
		exit: 1, says: []string{broken, "pg_restore", `extension "nosuch" is not available`}, target: outcome{"all but what needs it", func(s *scene) {
			s.rows("12000")
			s.finds("SELECT count(*) FROM pg_class WHERE relname = 'other'", "0")
		}},
		do: plainRestore(replaced("citext", "nosuch")),
	},
	{
		name: "restore, tablespace directory missing", what: "the directory of a tablespace is missing",
		exit: 1, says: []string{"restoring the globals (roles and tablespaces)", `directory "/nonexistent/directory" does not exist`, "58P01"},
		target: outcome{"everything; what was in it is in the default tablespace", func(s *scene) {
			everything.check(s)
			s.finds("SELECT count(*) FROM far", "3")
			s.finds("SELECT reltablespace FROM pg_class WHERE relname = 'far'", "0")
		}},
		do: func(s *scene) harness.Result {
			origin := harness.Start(s)
			origin.Exec(s, "postgres", "CREATE ROLE faults_owner")
			dir := origin.Dir(s, "lost")
			origin.Exec(s, "postgres", "CREATE TABLESPACE lost LOCATION "+harness.Literal(dir))
			origin.Exec(s, "postgres", "CREATE DATABASE origin")
			origin.Exec(s, "origin", content+"CREATE TABLE far TABLESPACE lost AS SELECT generate_series(1, 3)")
			s.plakar.SourceAdd("there", origin.URL("origin"), origin.BinDirOption())
			s.snapshot = s.plakar.MustBackup("@there")
			s.altered(func(files map[string]string) {
				files[globalsFile] = strings.ReplaceAll(files[globalsFile], dir, "/nonexistent/directory")
			})
			s.destination(nil)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, disk full", what: "the server's disk is full",
		exit: 1, says: []string{broken, "pg_restore", "No space left on device"}, own: true,
		target: outcome{"what found room; none of the rows under way", holds("0", "7", "")},
		do: func(s *scene) harness.Result {
			dir := s.smallTablespace("24m")
			s.server.Exec(s, "postgres", "CREATE ROLE faults_owner")
			s.server.Exec(s, "postgres", "CREATE DATABASE "+s.db+" TABLESPACE small")
			s.fill(filepath.Join(dir, "filler"), 1<<20)
			s.destination(nil)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, spool full", what: "`spool_dir` is full, with `jobs` above 1",
		exit: 1, says: []string{"spooling the dump of database \"origin\"", "no space left on device"}, target: nothingOfIt,
		do: func(s *scene) harness.Result {
			dir := s.TempDir()
			s.small(dir, "1m")
			s.destination(nil, "jobs=2", "spool_dir="+dir)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, spool missing", what: "`spool_dir` is not there, with `jobs` above 1",
		exit: 1, says: []string{"creating a temporary file in", "/nonexistent"}, target: nothingOfIt,
		do: plainRestore(func(*scene) {}, "jobs=2", "spool_dir=/nonexistent"),
	},
	{
		name: "restore, no pg_restore", what: "pg_restore is not there",
		exit: 1, says: []string{"pg_bin_dir", "pg_restore", "no such file or directory"}, target: nothingMade,
		do: restoreTool("pg_restore", absentTool),
	},
	{
		name: "restore, pg_restore not executable", what: "pg_restore is not executable",
		exit: 1, says: []string{"pg_bin_dir", "pg_restore", "permission denied"}, target: nothingMade,
		do: restoreTool("pg_restore", deadTool),
	},
	{
		name: "restore, megabytes of messages", what: "pg_restore prints megabytes of messages, in no encoding",
		exit: 1, says: []string{broken, "exit status 3", "caf\uFFFD", "more lines"},
		target: outcome{"what pg_restore restored: here nothing", func(s *scene) { s.finds("SELECT count(*) FROM pg_class WHERE relname IN ('t', 'other')", "0") }},
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

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestCommands runs what README.md and docs/*.md show.
func TestCommands(t *testing.T) {
	harness.LowestMajorOnly(t, "the documents' commands are the same for all versions")
	if os.Getenv("PG_IMAGE") != "" {
		t.Skip("with servers in containers, this machine has no server programs")
	}
	for _, tool := range []string{"jq", "flock"} {
		if _, err := exec.LookPath(tool); err != nil {
			harness.Missing(t, "the documents' commands need %s; run tests/setup/tools.sh", tool)
		}
	}
	w := newWorld(t)
	files := documents(t)
	w.document(t, files[0])
	snapshot, err := w.shell("newest postgres")
	w.check(err)
	w.snapshot = strings.TrimSpace(snapshot)
	w.check(os.CopyFS(w.config, os.DirFS(filepath.Join(w.plakar.Home, ".config", "plakar"))))
	for _, file := range files[1:] {
		if blocks := blocksOf(t, file); len(blocks) > 0 {
			t.Run(filepath.Base(file), func(t *testing.T) { w.document(t, file) })
		}
	}
	t.Logf("%.1f s of CPU", cpu().Seconds())
}

// cpu is what commands have used so far.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (w *world) document(t *testing.T, file string) {
	t.Helper()
	defer func(t *testing.T) { w.t = t }(w.t)
	w.t = t
	w.begin()
	for _, b := range blocksOf(t, file) {
		if !b.marked {
			w.run(b)
		}
	}
}

// run runs a block, and reports what fails with the commands as they were run.
func (w *world) run(b block) {
	w.t.Helper()
	var script string
	switch b.lang {
	case "sql":
		w.sql(b.text)
		return
	case "sh":
		script = b.text
	case "cron":
		script = w.scheduled(submatches(cronLine, b.text))
	case "ini":
		script = w.scheduled(submatches(execStart, b.text))
	default:
		return
	}
	if script == "" || w.ran[script] {
		return
	}
	w.ran[script] = true
	start := cpu()
	defer func() { w.t.Logf("%s: %.1f s of CPU", b, (cpu() - start).Seconds()) }()
	w.empty()
	names, done := w.needs(script)
	defer done()
	script = strings.NewReplacer(append(names, w.names...)...).Replace(script)
	if file := scriptFile.FindStringSubmatch(script); file != nil {
		w.write(file[1], script, 0o755) // a crontab or a unit runs it
		return
	}
	if out, err := w.shell(script); err != nil {
		w.t.Errorf("%s: %v\n%s\n%s", b, err, script, listed.ReplaceAllString(out, ""))
		return
	}
	if strings.Contains(script, "--synchronous") {
		w.service = submatches(receives, script)[0]
	}
	if strings.Contains(script, "pg_ctl -D") {
		w.looksRecovered(b, strings.Contains(script, "target_"))
	}
}

var (
	cronLine   = regexp.MustCompile(`(?m)^[*0-9]\S*(?:\s+[*0-9]\S*){4}\s+(?:root\s+)?(.*)$`)
	execStart  = regexp.MustCompile(`(?m)^ExecStart=(.*)$`)
	listed     = regexp.MustCompile(`(?m)^\S+: OK ✓ .*\n`)
	scriptFile = regexp.MustCompile(`^#!/bin/sh\n# (/[^\s:]+)`)
	flocked    = regexp.MustCompile(`^flock -n \S+ | *#.*$`)
	receives   = regexp.MustCompile(`(?m)^(pg_receivewal .*--synchronous)`)
	added      = regexp.MustCompile(`(?m)^plakar (source|destination) add (\S+)`)
)

func submatches(pattern *regexp.Regexp, text string) (all []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// onError ends a script at the first command that fails, in a pipe too. But for those that write
// into one that nobody reads any more, as before "pg_restore --list".
const onError = "trap 'status=$?; [ $status = 141 ] || exit $status' ERR\n"

// scheduled are the commands of a crontab or of a unit that have not been run yet.
func (w *world) scheduled(commands []string) (script string) {
	for _, command := range commands {
		if bare := flocked.ReplaceAllString(command, ""); !w.ran[bare] {
			w.ran[bare] = true
			script += command + "\n"
		}
	}
	return script
}

// shell runs commands on the documents' machine. An error in any of them is one.
func (w *world) shell(script string) (output string, err error) {
	cmd := exec.Command("bash", "-o", "pipefail", "-c", onError+script+"\n:")
	cmd.Env, cmd.Dir = w.plakar.Command().Env, w.work
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sql runs statements on db.example.com.
func (w *world) sql(text string) {
	w.t.Helper()
	if strings.Contains(text, "CREATE ROLE backup") && !strings.Contains(text, "-- or CREATE ROLE backup") {
		w.role()
	}
	w.source.Psql(w.t, "postgres", strings.NewReplacer(w.names...).Replace(text))
}

// needs makes what commands need beyond what a reader of the README has, and returns what stands
// for the snapshots and moments that they name.
func (w *world) needs(script string) (names []string, done func()) {
	w.t.Helper()
	for _, m := range added.FindAllStringSubmatch(script, -1) {
		w.plakar.Run(m[1], "rm", m[2]) // a block that another one has the name from may say it again
	}
	newest := w.snapshot
	if newest == "" || strings.Contains(script, "plakar backup") {
		newest = "$(newest postgres)"
	}
	if strings.Contains(script, "postgres+bin:") || strings.Contains(script, "postgres+check:") || strings.Contains(script, "pgdata") {
		newest = "$(newest postgres+bin)"
	}
	names, done = []string{"<snapid>", newest}, func() {}
	if strings.Contains(script, "tablespaces") && strings.Contains(script, "/mnt/") {
		var oids []string
		oids, done = w.tablespaces()
		names = append(names, oids...)
	}
	if strings.Contains(script, "target_") {
		names = append(names, w.mistake()...)
		if out, err := w.shell(w.service); err != nil { // that receives the WAL all the time
			w.t.Fatalf("%s: %v\n%s", w.service, err, out)
		}
	}
	if (strings.Contains(script, "<wal>") || strings.Contains(script, "target_")) && !strings.Contains(script, "backup @mywal") {
		w.plakar.MustRun("backup", "@mywal") // it has to be newer than the base backup
	}
	return names, done
}

// tablespaces are fast and slow, in a new base backup.
func (w *world) tablespaces() (names []string, drop func()) {
	w.t.Helper()
	for _, name := range []string{"fast", "slow"} {
		w.source.Exec(w.t, "postgres", "CREATE TABLESPACE "+name+" LOCATION "+harness.Literal(w.source.Dir(w.t, name)))
		w.source.Exec(w.t, "postgres", "CREATE TABLE in_"+name+" TABLESPACE "+name+" AS SELECT 1 AS v")
	}
	oid := func(name string) string {
		return w.source.QueryText(w.t, "postgres", "SELECT oid FROM pg_tablespace WHERE spcname = "+harness.Literal(name))
	}
	w.plakar.MustRun("backup", "@mycluster")
	return []string{"16385", oid("fast"), "16386", oid("slow")}, func() {
		for _, name := range []string{"fast", "slow"} {
			w.source.Exec(w.t, "postgres", "DROP TABLE in_"+name)
			w.source.Exec(w.t, "postgres", "DROP TABLESPACE "+name)
		}
	}
}

// mistake changes a table in a way that a recovery shall undo, and returns the moment before it
// in all the ways that there are to say it.
func (w *world) mistake() []string {
	w.t.Helper()
	query := func(sql string) string { return w.source.QueryText(w.t, "postgres", sql) }
	query("DELETE FROM clock")
	query("INSERT INTO clock VALUES ('before')")
	time.Sleep(5 * time.Millisecond) // what follows has another time
	moment := query(`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'`)
	position := query("SELECT pg_current_wal_insert_lsn()")
	query("SELECT pg_create_restore_point('before_migration')")
	time.Sleep(5 * time.Millisecond)
	xid := query("INSERT INTO clock VALUES ('mistake') RETURNING pg_current_xact_id()")
	time.Sleep(1100 * time.Millisecond) // WAL reaches up to one second before its backup began
	return []string{"2026-11-25 14:30:00+01", moment, "1/4A7F1C8", position, "74231", xid}
}

// looksRecovered looks into the server that a block has started on a restored directory.
func (w *world) looksRecovered(b block, undone bool) {
	w.t.Helper()
	psql := "psql -XAt -h \"$DOCS_SOURCE\" -p \"$DOCS_RECOVERED_PORT\" -d shop -c "
	out, err := w.shell(`for i in $(seq 600); do
			[ "$(` + psql + `'SELECT pg_is_in_recovery()')" = t ] || break
			sleep 0.1
		done
		` + psql + `'SELECT count(*) FROM orders' && ` + strings.Replace(psql, "-d shop", "-d postgres", 1) + `'SELECT v FROM clock'`)
	if err != nil || !strings.HasPrefix(out, "6000\n") {
		w.t.Errorf("%s: the restored server has other orders: %v\n%s", b, err, out)
	}
	if undone && out != "6000\nbefore\n" {
		w.t.Errorf("%s: the restored server is not as it was before the mistake:\n%s", b, out)
	}
}

package logical

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

func TestRestoreLog(t *testing.T) {
	var log restoreLog
	for _, line := range []string{
		`pg_restore: error: could not execute query: ERROR:  relation "t" already exists`,
		`Command was: CREATE TABLE public.t (`,
		`    password text DEFAULT 'hunter2'`,
		`);`,
		``,
		`pg_restore: error: could not execute query: ERROR:  could not connect`,
		`Command was: ALTER ROLE jwt IN DATABASE x SET "app.token" TO 'hunter2';`,
		`Command was: CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p;`,
		`pg_restore: warning: errors ignored on restore: 2`,
	} {
		log.add(line)
	}
	text := log.result(errStopped).Error()
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret is shown: %s", text)
	}
	for _, want := range []string{"CREATE TABLE public.t", `relation "t" already exists`, "errors ignored on restore: 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

// A session that cannot begin for want of a library has a hint.
func TestMissingLibrary(t *testing.T) {
	r := &runner{server: new(server.Server)}
	a := newArchive("x", nil)
	a.toc = new(dumparchive.TOC)
	for line, want := range map[string]bool{
		`pg_restore: error: connection to server at "127.0.0.1", port 5432 failed: FATAL:  could not access file "nosuch": No such file or directory`: true,
		`pg_restore: error: could not execute query: ERROR:  could not access file "$libdir/postgis": No such file or directory`:                      false,
	} {
		var log restoreLog
		log.add(line)
		if err := r.explain(log.result(errStopped), a, &log); strings.Contains(err.Error(), "hint: a library that session_preload_libraries") != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// exit_on_error stops at the first failure, when it is certain that it is one.
func TestFirstFailure(t *testing.T) {
	const query, setting = "pg_restore: error: could not execute query: ERROR:  x", "Command was: SET transaction_timeout = 0;"
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{query}, false},
		{[]string{query, setting}, false},
		{[]string{query, "DETAIL:  y", setting, query}, false},
		{[]string{query, query, setting, setting}, false}, // of two workers
		{[]string{query, "Command was: CREATE TABLE t ();"}, true},
		{[]string{query, setting, query, "Command was: CREATE TABLE t ();"}, true},
		{[]string{query, setting, `pg_restore: error: COPY failed for table "t": ERROR:  x`}, true},
		{[]string{query, setting, "pg_restore: warning: something"}, false},
	} {
		var log restoreLog
		for _, line := range c.lines {
			log.add(line)
		}
		if log.failed() != c.want {
			t.Errorf("%q: %v", c.lines, log.failed())
		}
	}
}

// A setting that an older server does not know is no failure, if nothing else is.
func TestUnknownSetting(t *testing.T) {
	exit := &proc.Error{Name: "pg_restore", Status: "exit status 1"}
	timeout := []string{
		`pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
		`Command was: SET transaction_timeout = 0;`,
	}
	log := restoreLog{settings: 1}
	for _, line := range append(timeout, "pg_restore: warning: errors ignored on restore: 1") {
		log.add(line)
	}
	if err := log.result(exit); err != nil || log.String() != "" {
		t.Errorf("%v, %q", err, log.String())
	}
	log = restoreLog{settings: 1}
	for _, line := range append(timeout, "pg_restore: error: could not execute query: ERROR:  x", "Command was: CREATE TABLE t ();", "pg_restore: warning: errors ignored on restore: 2") {
		log.add(line)
	}
	if err := log.result(exit); err == nil {
		t.Error("another failure is taken for none")
	}
	// Killed, or stopped by exit_on_error: the rest was not tried.
	log = restoreLog{settings: 1}
	for _, line := range append(timeout, "out of memory") {
		log.add(line)
	}
	if err := log.result(exit); err == nil {
		t.Error("a restore that stopped early is taken for a whole one")
	}
	log = restoreLog{settings: 1}
	if err := log.result(exit); err == nil {
		t.Error("a failure without a word is taken for none")
	}
}

// Workers write into one another's messages; pg_restore's own count tells whether
// another failure is among them.
func TestUnknownSettingOfWorkers(t *testing.T) {
	const setting = "Command was: SET transaction_timeout = 0;"
	lines := []string{
		`pg_restore: error: could not execute query: ERROR:  x`, setting,
		`pg_restore: error: pg_restore: error: could not execute query: ERROR:  x`, setting + "pg_restore:",
		` error: could not execute query: ERROR:  x`, setting,
	}
	for end, fine := range map[string]bool{
		"pg_restore: warning: errors ignored on restore: 2": true,
		"pg_restore: warning: errors ignored on restore: 3": false,
		"pg_restore: warning: errors ignored on":            false,
	} {
		log := restoreLog{settings: 2}
		for _, line := range append(lines, end) {
			log.add(line)
		}
		if err := log.result(&proc.Error{Name: "pg_restore", Status: "exit status 1"}); (err == nil) != fine {
			t.Errorf("%s: %v", end, err)
		}
	}
	log := restoreLog{settings: 2}
	for _, line := range append(lines, `pg_restore:pg_restore: error: COPY failed for table "t": ERROR:  x`) {
		log.add(line)
	}
	if !log.failed() {
		t.Error("a failure goes unnoticed")
	}
}

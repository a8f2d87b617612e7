//go:build linux

package faults

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// check is what every fault is checked for.
func (s *scene) check(f fault, result harness.Result) {
	s.Helper()
	if result.ExitCode != f.exit && (!f.either || result.ExitCode != 1) {
		s.Errorf("exit status %d, want %d", result.ExitCode, f.exit)
	}
	s.said = result.Output()
	s.Logf("plakar said:\n%s", s.said)
	rest := result.Message()
	for _, text := range f.says {
		_, after, found := strings.Cut(rest, text)
		if !found {
			s.Errorf("the message lacks %q (behind what comes before it)", text)
			continue
		}
		rest = after
	}
	if f.oneOf != nil && !slices.ContainsFunc(f.oneOf, func(text string) bool { return strings.Contains(s.said, text) }) {
		s.Errorf("the message has none of %q", f.oneOf)
	}
	s.noSecret("the output", result.Output())
	s.nothingLeft(f)
	if s.saves {
		if snapshots := s.plakar.Snapshots(); (len(snapshots) > 0) != f.snapshot && !f.chance {
			s.Errorf("snapshots: %q", snapshots)
		}
	}
}

// noSecret checks a text for the password, as it is and as a URI holds it.
func (s *scene) noSecret(where, text string) {
	s.Helper()
	for _, secret := range []string{s.server.Password, url.QueryEscape(s.server.Password), url.PathEscape(s.server.Password)} {
		if strings.Contains(text, secret) {
			s.Errorf("%s has the password", where)
		}
	}
}

// nothingLeft checks that nothing of ours is left on the machine and on the server,
// and undoes what the fault did.
func (s *scene) nothingLeft(f fault) {
	s.Helper()
	s.nothingHere(f.exit == killed)
	if f.lingers {
		s.undo()
	}
	s.nothingThere(f.database)
	s.undo()
}

// undo lets go what a fault held.
func (s *scene) undo() {
	for _, undo := range s.done {
		undo()
	}
	s.done = nil
}

// nothingHere waits until nothing of ours is left on the machine. A plakar that was
// killed leaves a directory of its own.
func (s *scene) nothingHere(killed bool) {
	s.Helper()
	var left string
	s.until("nothing is left behind on the machine", soon, func() bool {
		left = ""
		if processes := s.processes(); len(processes) > 0 {
			left = fmt.Sprintf("processes: %v\n", processes)
		}
		for _, name := range s.temporary() {
			if !killed || !strings.HasPrefix(name, "plakar-backup-") {
				left += "file: " + name + "\n"
			}
		}
		return left == ""
	}, &left)
}

// nothingThere waits until nothing of ours is left on the server, if it runs, but
// perhaps a database.
func (s *scene) nothingThere(database bool) {
	s.Helper()
	var left string
	s.until("nothing is left behind on the server", soon, func() bool {
		left = ""
		if s.server.TryExec("postgres", "SELECT") == nil {
			left = s.remains(database)
		}
		return left == ""
	}, &left)
}

// remains lists what we have on the server: sessions in any database, replication
// slots, and databases that were to take the place of another one, unless there may be
// one.
func (s *scene) remains(database bool) string {
	s.Helper()
	// Only faults with a server of their own recreate databases.
	ours := "application_name = " + harness.Literal(s.session()) + " OR datname = " + harness.Literal(s.db)
	if s.server != s.stage.server {
		ours = "true"
	}
	return s.server.QueryText(s, "postgres", `
		SELECT pid, datname, application_name, state, wait_event, query FROM pg_stat_activity
		WHERE backend_type IN ('client backend', 'walsender') AND application_name <> 'harness' AND (`+ours+`)
		UNION ALL SELECT active_pid, slot_name, '', '', '', 'slot' FROM pg_replication_slots WHERE active OR slot_name <> 'plakar'
		UNION ALL SELECT 0, datname, '', '', '', 'database' FROM pg_database WHERE datname LIKE 'plakar%' AND NOT `+strconv.FormatBool(database))
}

// temporary lists what is in the directory for temporary files.
func (s *scene) temporary() []string {
	s.Helper()
	entries, err := os.ReadDir(s.plakar.Temp)
	if err != nil {
		s.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

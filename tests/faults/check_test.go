//go:build linux

package faults

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// check is what every fault is checked for.
func (s *scene) check(f fault, result harness.Result) {
	s.Helper()
	if result.ExitCode != f.exit {
		s.Errorf("exit status %d, want %d", result.ExitCode, f.exit)
	}
	s.said = result.Output()
	rest := result.Message()
	for _, text := range f.says {
		_, after, found := strings.Cut(rest, text)
		if !found {
			s.Errorf("the message lacks %q (behind what comes before it)", text)
			continue
		}
		rest = after
	}
	if f.stopped && !slices.ContainsFunc(stoppedWords, func(text string) bool { return strings.Contains(s.said, text) }) {
		s.Errorf("the message has none of %q", stoppedWords)
	}
	s.noSecret("the output", result.Output())
	s.nothingLeft(f.exit == killed)
	for _, undo := range s.done {
		undo()
	}
	if s.saves {
		if snapshots := s.plakar.Snapshots(); (len(snapshots) > 0) != f.snapshot && !f.chance {
			s.Errorf("snapshots: %q", snapshots)
		}
	}
	s.Logf("plakar said:\n%s", result.Output())
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

// nothingLeft waits until nothing of ours is left on the machine and the server.
// A plakar that was killed leaves a folder of its own.
func (s *scene) nothingLeft(killed bool) {
	s.Helper()
	var left string
	limit := soon
	if killed {
		limit = afterKill
	}
	s.until("nothing is left behind", limit, func() bool {
		left = ""
		if processes := s.processes(); len(processes) > 0 {
			left = fmt.Sprintf("processes: %v\n", processes)
		}
		for _, name := range s.temporary() {
			if !killed || !strings.HasPrefix(name, "plakar-backup-") {
				left += "file: " + name + "\n"
			}
		}
		if s.server.TryExec("postgres", "SELECT") == nil {
			left += s.sessions()
		}
		return left == ""
	}, &left)
}

// temporary lists what is in the folder for temporary files.
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

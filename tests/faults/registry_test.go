//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

var update = flag.Bool("update", false, "write docs/faults.md anew")

// fault is one thing that goes wrong, and what happens then.
type fault struct {
	name string // of the subtest
	what string // what goes wrong, for the table

	either   bool     // plakar's exit status is 0 or 1
	exit     int      // plakar's exit status; killed when a signal ends it
	snapshot bool     // a backup leaves a snapshot
	chance   bool     // whether it does is left to chance
	says     []string // what the message holds, in this order
	oneOf    []string // the message holds one of these
	target   outcome  // what a restore leaves on the server

	// left is what is left behind, for the table. Whatever it says, it is checked
	// that no process, temporary file, replication slot or session remains.
	left string
	// lingers is for sessions that end only when what the fault holds is let go: what
	// is left on the machine is looked at before.
	lingers bool
	// database is for an empty database that may be left, because nobody can tell the
	// server to drop it.
	database bool

	// A physical fault happens both ways, with pg_basebackup and with BASE_BACKUP,
	// unless oneWay. spoken is what the message holds then, where that is not says.
	oneWay    bool
	ownStream bool
	spoken    []string

	own bool // the server is this fault's own, which may break it

	// do makes it happen and returns how plakar ended.
	do func(s *scene) harness.Result
	// after checks more than what every fault is checked for; may be nil.
	after func(s *scene)
}

// outcome is what is on the target server after a restore: words, and the check that
// they are true.
type outcome struct {
	text  string
	check func(s *scene)
}

// stoppedWords are in plakar's messages when a signal stops it: that it stops (which
// is printed only if a flag of its main.go is set before another goroutine reads
// it), and how what it was doing ended. One of them is there.
var stoppedWords = []string{"stopping gracefully", "context canceled", "interrupted"}

// The plugin is two processes.
const (
	pluginKilled = "the plugin's worker, which does everything, is killed (`kill -9`, or for want of memory)"
	frontKilled  = "the process that stands before the plugin's worker is killed (`kill -9`)"
)

// frontDied are in the messages when the process in front was killed: what plakar says
// of the connection, or what the worker says, whichever comes first.
var frontDied = []string{"EOF", "the plugin was ended"}

// killed is the exit status of a plakar that a signal ended.
const killed = -1

// part is a chapter of the table.
type part struct {
	title   string
	restore bool
	wal     bool // backups of the WAL
	faults  []fault
}

// registry lists every fault.
func registry() []part {
	return []part{
		{"During a backup: `postgres://`", false, false, slices.Concat(backupFaults, toolFaults, storeFaults)},
		{"During a restore: `postgres://`", true, false, slices.Concat(restoreFaults, serverFaults, recreateFaults, targetFaults, contentFaults)},
		{"During a backup: `postgres+bin://`", false, false, bothWays(physicalFaults)},
		{"During a backup: `postgres+wal://`", false, true, walFaults},
		{"During a restore: `postgres+bin://`", true, false, slices.Concat(physicalRestoreFaults, walRestoreFaults)},
		{"During a check: `postgres+check://`", true, false, slices.Concat(proofFaults, proofEndings())},
	}
}

func TestMain(m *testing.M) { harness.Main(m) }

// TestFaults makes everything in the registry happen but for what TestWALFaults does.
func TestFaults(t *testing.T) {
	t.Parallel()
	harness.HighestMajorOnly(t, "a fault is on this side, or ends a session or the server, in every version alike")
	happen(t, func(p part) bool { return !p.wal })
}

// TestWALFaults is TestFaults for backups of the WAL.
func TestWALFaults(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what a version's WAL is like, other tests ask")
	happen(t, func(p part) bool { return p.wal })
}

// happen makes the faults happen.
func happen(t *testing.T, chosen func(p part) bool) {
	t.Helper()
	shared := newStage(t)
	// In a long run more than once: which of two things comes first is left to chance.
	for _, p := range slices.Repeat(registry(), harness.Count(1, 3)) {
		if !chosen(p) {
			continue
		}
		for _, f := range p.faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				s := shared.scene(t, f)
				result := f.do(s)
				s.check(f, result)
				if f.target.check != nil {
					f.target.check(s)
				}
				if f.after != nil {
					f.after(s)
				}
			})
		}
	}
}

// TestTable: docs/faults.md is what the registry says, and that is checked.
func TestTable(t *testing.T) {
	for _, p := range registry() {
		for _, f := range p.faults {
			if p.restore && (f.target.text == "" || f.target.check == nil) {
				t.Errorf("%s: what is on the target server is not said, or not checked", f.name)
			}
			if (f.lingers || f.database) && f.left == "" {
				t.Errorf("%s: what is left behind is not said", f.name)
			}
		}
	}
	file := filepath.Join(harness.Root(), "docs", "faults.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- faults -->\n", "<!-- end -->\n"
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no %s...%s", file, begin, end)
	}
	want := head + begin + table() + end + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("docs/faults.md differs from the registry: go test ./tests/faults -run TestTable -update")
	}
}

func table() string {
	var b strings.Builder
	for _, p := range registry() {
		third := "snapshot"
		if p.restore {
			third = "on the target server, or in the data directory"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| what goes wrong | exit status | %s | message | left behind |\n|---|---|---|---|---|\n", p.title, third)
		for _, f := range p.faults {
			if f.ownStream {
				continue // in the line of its other way
			}
			result := "none"
			switch {
			case p.restore:
				result = f.target.text
			case f.chance:
				result = "none, or a broken one"
			case f.snapshot:
				result = "kept"
			}
			left := f.left
			if left == "" {
				left = "nothing"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.what, f.status(), result, f.message(), left)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func (f fault) status() string {
	if f.exit == killed {
		return "ended by the signal"
	}
	if f.either {
		return "0 or 1"
	}
	return fmt.Sprint(f.exit)
}

func (f fault) message() string {
	if f.oneOf != nil {
		return "`" + strings.Join(f.oneOf, "` or `") + "`"
	}
	text := quoted(f.says)
	if f.spoken != nil {
		return quoted(f.spoken) + "; with `method=pg_basebackup`: " + text
	}
	return text
}

func quoted(says []string) string {
	if len(says) == 0 {
		return "none"
	}
	escaped := make([]string, 0, len(says))
	for _, text := range says {
		escaped = append(escaped, strings.NewReplacer("|", `\|`, "\n", " ").Replace(text))
	}
	return "`" + strings.Join(escaped, "` … `") + "`"
}

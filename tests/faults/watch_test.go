//go:build linux

package faults

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watch reads the command lines of all processes all the time.
type watch struct {
	secrets func() []string

	mu    sync.Mutex
	homes []string            // of the plakars whose tools have to be seen
	seen  map[string]int      // how often, by the name of the tool
	found map[string]struct{} // command lines with a secret
	looks map[string]int      // how often each process was looked at
}

// watchFor watches until the test, with its subtests, has ended. Then the tools have to
// have been seen, and no secret.
func watchFor(t *testing.T, secrets func() []string, tools ...string) *watch {
	t.Helper()
	w := &watch{secrets: secrets, seen: make(map[string]int), found: make(map[string]struct{})}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			w.look()
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		for command := range w.found {
			t.Errorf("a secret is in a command line: %q", command)
		}
		for _, tool := range tools {
			if w.seen[tool] == 0 && !t.Skipped() {
				t.Errorf("no command line of %s was seen, but those of %v", tool, slices.Sorted(maps.Keys(w.seen)))
			}
		}
	})
	return w
}

// follow counts the tools that a plakar starts.
func (w *watch) follow(home string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.homes = append(w.homes, "\x00HOME="+home+"\x00")
}

// often is after how many looks a process is looked at less often: its command line is
// another one only when it has just begun, before it runs its program.
const often = 50

// look takes one look at all processes.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	secrets := w.secrets()
	dirs, _ := os.ReadDir("/proc")
	before := w.looks
	w.looks = make(map[string]int, len(before))
	for _, dir := range dirs {
		if dir.Name()[0] < '0' || dir.Name()[0] > '9' {
			continue
		}
		n := before[dir.Name()]
		w.looks[dir.Name()] = n + 1
		if n > often && n%often != 0 {
			continue
		}
		content, err := os.ReadFile(filepath.Join("/proc", dir.Name(), "cmdline"))
		if err != nil || len(content) == 0 {
			continue
		}
		command := string(content)
		name, _, _ := strings.Cut(command, "\x00")
		if name = filepath.Base(name); strings.HasPrefix(name, "pg_") {
			w.count(dir.Name(), name)
		}
		// The user writes the secret where plakar is configured.
		if !strings.Contains(command, "\x00add\x00") && slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(command, s) }) {
			w.found[fmt.Sprintf("%.200s", command)] = struct{}{}
		}
	}
}

// count notes a tool if one of the plakars started it.
func (w *watch) count(pid, name string) {
	environ, _ := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	text := "\x00" + string(environ)
	if slices.ContainsFunc(w.homes, func(home string) bool { return strings.Contains(text, home) }) {
		w.seen[name]++
	}
}

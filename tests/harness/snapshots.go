package harness

import (
	"maps"
	"regexp"
	"strings"
)

// SourceAdd configures a source: a name, its location and "key=value" options.
func (p *Plakar) SourceAdd(name, location string, options ...string) {
	p.tb.Helper()
	p.MustRun(append([]string{"source", "add", name, location}, options...)...)
}

// DestinationAdd configures a destination in the same way.
func (p *Plakar) DestinationAdd(name, location string, options ...string) {
	p.tb.Helper()
	p.MustRun(append([]string{"destination", "add", name, location}, options...)...)
}

// "1a2b3c4d: backup completed with..." is plakar's last line.
var completed = regexp.MustCompile(`(?m)^([0-9a-f]{8}): backup completed`)

// Backup backs up "@name" (or any location) and returns the snapshot's short
// ID: empty when there is no snapshot. The result says how the command ended.
func (p *Plakar) Backup(source string, flags ...string) (snapshot string, result Result) {
	p.tb.Helper()
	result = p.Run(append(append([]string{"backup"}, flags...), source)...)
	if said := completed.FindStringSubmatch(result.Output()); said != nil && result.ExitCode == 0 {
		p.known[said[1]] = true
		return said[1], result
	}
	// It may have left one without saying so.
	known := maps.Clone(p.known)
	for _, id := range p.Snapshots() {
		if !known[id] {
			snapshot = id
		}
	}
	return snapshot, result
}

// MustBackup is Backup for one that has to succeed, without errors.
func (p *Plakar) MustBackup(source string, flags ...string) (snapshot string) {
	p.tb.Helper()
	snapshot, result := p.Backup(source, flags...)
	if result.ExitCode != 0 || snapshot == "" {
		p.tb.Fatalf("backup of %s: exit status %d, snapshot %q\n%s", source, result.ExitCode, snapshot, result.Output())
	}
	if !strings.Contains(result.Output(), "completed without errors") {
		p.tb.Fatalf("backup of %s with errors:\n%s", source, result.Output())
	}
	return snapshot
}

// Snapshots returns the short IDs of the store's snapshots, the latest first.
func (p *Plakar) Snapshots() []string {
	p.tb.Helper()
	var ids []string
	for line := range strings.Lines(p.MustRun("ls").Stdout) {
		if fields := strings.Fields(line); len(fields) > 1 {
			ids = append(ids, fields[1])
			p.known[fields[1]] = true
		}
	}
	return ids
}

// time, mode, user, group, size with its unit, path
var listing = regexp.MustCompile(`^\S+ (\S+)\s+\S+\s+\S+\s+[\d.]+ \w*B (.*)$`)

// Ls returns the paths of a snapshot's entries, directories included, sorted as
// plakar does it.
func (p *Plakar) Ls(snapshot string) []string {
	p.tb.Helper()
	var paths []string
	for line := range strings.Lines(p.MustRun("ls", "-recursive", snapshot).Stdout) {
		entry := listing.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if entry == nil {
			p.tb.Fatalf("unexpected line of plakar ls: %q", line)
		}
		mode, path := entry[1], entry[2]
		if strings.HasPrefix(mode, "L") {
			path, _, _ = strings.Cut(path, " -> ")
		}
		paths = append(paths, path)
	}
	return paths
}

// Cat returns the content of a file in a snapshot.
func (p *Plakar) Cat(snapshot, path string) []byte {
	p.tb.Helper()
	return []byte(p.MustRun("cat", snapshot+":"+path).Stdout)
}

// Restore restores a snapshot, or "snapshot:/path", to "@name" or a directory.
func (p *Plakar) Restore(to, snapshot string, flags ...string) Result {
	p.tb.Helper()
	return p.Run(append(append([]string{"restore"}, flags...), "-to", to, snapshot)...)
}

// MustRestore is Restore for one that has to succeed. When all is restored, plakar may panic in its
// report of the last file, which its own connectors do nothing against.
// Source: Export in kloset's snapshot/export.go, which closes the emitter of reports while they are made
func (p *Plakar) MustRestore(to, snapshot string, flags ...string) Result {
	p.tb.Helper()
	result := p.Restore(to, snapshot, flags...)
	reported := !strings.Contains(to, "://") && strings.Contains(result.Output(), "panic: send on closed channel") && strings.Contains(result.Output(), "events.(*Emitter)")
	if result.ExitCode != 0 && !reported {
		p.tb.Fatalf("plakar restore -to %s %s: exit status %d\n%s", to, snapshot, result.ExitCode, result.Output())
	}
	return result
}

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// counted replaces the installed plugin by a script that counts what the plugin
// sends to plakar, and returns the bytes since it was last called.
func counted(t *testing.T, p *harness.Plakar) func() int64 {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(p.Home, ".cache/plakar/plugins/*/postgresql_*/postgres+bin"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the installed plugin: %q %v", found, err)
	}
	if err := os.Rename(found[0], found[0]+".real"); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(p.Home, "sent")
	script := fmt.Sprintf("#!/bin/sh\n'%s.real' \"$@\" | tee -a '%s'\n", found[0], log)
	if err := os.WriteFile(found[0], []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() int64 {
		info, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
}

// What did not change is not even read by plakar a second time, whether it waits in
// memory or on disk; a file that does not fit into the spool is.
func TestPhysicalUnchangedIsNotRead(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "files are the server's, whichever tool asks for them")
	const mega = 1 << 20
	for _, c := range []struct {
		spool  string
		reused bool
	}{{"1GiB", true}, {"0", false}} {
		t.Run("spool_size="+c.spool, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t)
			withTablespace(t, s)
			bigTable(t, s, "big", 60, "elsewhere")
			s.Exec(t, "postgres", "VACUUM FREEZE big")
			p := physical(t, s, "spool_size="+c.spool)
			sent := counted(t, p)
			p.MustBackup("@phys")
			if first := sent(); first < 60*mega {
				t.Fatalf("only %d bytes sent by the first backup", first)
			}
			p.MustBackup("@phys")
			// The segment of the WAL, 16 MiB, is another one.
			if second := sent(); (second < 20*mega) != c.reused {
				t.Errorf("%d bytes sent by the second backup", second)
			}
		})
	}
}

// A file that changed within the same second, with the same size and time, is
// another file.
func TestPhysicalNothingStale(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "plakar and the plugin find out what has changed")
	s := harness.Start(t)
	const megabyte = 1 << 20
	sizes := map[string]int{"small": 100, "large": 9 * megabyte, "larger-than-spool": 13 * megabyte}
	p := physical(t, s, "spool_size=12MiB")
	moment := time.Now().Add(-time.Minute).Truncate(time.Second)
	write := func(fill byte) string {
		for name, size := range sizes {
			s.WriteFile(t, name, string(bytes.Repeat([]byte{fill}, size)))
			if err := os.Chtimes(filepath.Join(s.DataDir, name), moment, moment); err != nil {
				t.Fatal(err)
			}
		}
		return p.MustBackup("@phys")
	}
	for _, fill := range []byte("abba") {
		snapshot := write(fill)
		for name, size := range sizes {
			if got := p.Cat(snapshot, "/"+name); !bytes.Equal(got, bytes.Repeat([]byte{fill}, size)) {
				t.Errorf("%s is not of %q: %d bytes, %.10q", name, fill, len(got), got)
			}
		}
	}
}

// The plugin's memory does not grow with the cluster.
func TestPhysicalMemory(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the memory is the plugin's")
	s := harness.Start(t)
	for i := range 6 { // between the limits for files in memory, and above them
		bigTable(t, s, fmt.Sprintf("t%d", i), []int{7, 7, 7, 7, 120, 200}[i], "pg_default")
	}
	for _, option := range []string{"spool_size=1GiB", "spool_size=0"} {
		p := physical(t, s, option)
		running := p.Start("backup", "@phys")
		var most int
		for {
			result, ended := running.WaitFor(20 * time.Millisecond)
			for _, pid := range plugins(p) {
				most = max(most, peakMemory(pid))
			}
			if ended {
				if result.ExitCode != 0 {
					t.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
				}
				break
			}
		}
		t.Logf("%s: %d KiB", option, most)
		if most == 0 || most > 200<<10 {
			t.Errorf("%s: the plugin took %d KiB", option, most)
		}
	}
}

// peakMemory is the largest resident set so far of a process, in KiB.
func peakMemory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, line, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib int
	_, _ = fmt.Sscan(string(line), &kib)
	return kib
}

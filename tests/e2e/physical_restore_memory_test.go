package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// However large a file is, it is written while it arrives.
func TestPhysicalRestoreMemory(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	const limit = 200 << 10 // KiB
	src := harness.Start(t)
	bigTable(t, src, "big", 300, "pg_default")
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	s := harness.Reserve(t, src.Major)
	run := p.Start(append(append([]string{"restore", "-to", binURL(s.DataDir)}, opts(t, nil)...), snapshot)...)
	most, seen := 0, 0
	for {
		for pid, program := range p.Processes() {
			if program != "plakar" {
				seen++
				most = max(most, peak(pid))
			}
		}
		if result, ended := run.WaitFor(50 * time.Millisecond); ended {
			if result.ExitCode != 0 {
				t.Fatal(result.Output())
			}
			break
		}
	}
	t.Logf("%d KiB", most)
	if seen == 0 || most == 0 || most > limit {
		t.Errorf("the plugin used %d KiB, seen %d times", most, seen)
	}
}

// peak is the most memory that a process had, in KiB; 0 if it has ended.
func peak(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

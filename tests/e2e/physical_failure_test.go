package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// tmpfs mounts a file system of the given size, which only root may.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A full disk below the spool makes the backup slower, not wrong.
func TestPhysicalSpoolFull(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the spool is no matter of the server")
	s := harness.Start(t)
	bigTable(t, s, "big", 30, "pg_default")
	for _, option := range []string{"spool_dir=" + tmpfs(t, "3m"), "spool_size=0", "spool_size=12MiB"} {
		p := physical(t, s, option)
		snapshot, result := p.Backup("@phys")
		if result.ExitCode != 0 {
			t.Fatalf("%s: exit status %d\n%s", option, result.ExitCode, result.Output())
		}
		if full := strings.Contains(result.Output(), "no space left"); full != strings.HasPrefix(option, "spool_dir") {
			t.Errorf("%s: warned of a full disk: %v\n%s", option, full, result.Stderr)
		}
		harness.CompareClusters(t, s, harness.Adopt(t, restored(t, p, s, snapshot)))
		nothingLeft(t, p, s)
	}
}

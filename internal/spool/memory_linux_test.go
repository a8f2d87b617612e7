package spool

import (
	"os"
	"path/filepath"
	"testing"
)

// What is free is the least of what the machine has and what the limits leave.
func TestFreeMemory(t *testing.T) {
	const mib = 1 << 20
	const meminfo = "MemTotal:       24000 kB\nMemFree:         1000 kB\nMemAvailable:   20480 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing is known":    {nil, 0},
		"no limit":            {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user.slice/a\n", "sys/fs/cgroup/user.slice/a/memory.max": "max\n"}, 20 * mib},
		"its own limit":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "8388608\n", "sys/fs/cgroup/a/b/memory.current": "2097152\n"}, 6 * mib},
		"a limit above it":    {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "4194304\n", "sys/fs/cgroup/a/memory.current": "1048576\n"}, 3 * mib},
		"in a container":      {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4194304\n", "sys/fs/cgroup/memory.current": "5242880\n"}, 0},
		"of the first kind":   {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "12:cpu:/\n4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "5242880\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1048576\n"}, 4 * mib},
		"more than there is":  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 20 * mib},
		"lines of other kind": {map[string]string{"proc/meminfo": "MemAvailable:\n" + meminfo, "proc/self/cgroup": "x\n"}, 20 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := freeBelow(root); got != c.want {
				t.Errorf("%d bytes are free, want %d", got, c.want)
			}
		})
	}
	if freeMemory() == 0 {
		t.Error("nothing is free here")
	}
}

package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processesIn lists the processes that work in a directory: those of a server in its data
// directory.
func processesIn(dir string) []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		// A directory that was removed meanwhile has " (deleted)" behind its name.
		cwd, err := os.Readlink(proc + "/cwd")
		if err != nil || cwd != dir && !strings.HasPrefix(cwd, dir+"/") && !strings.HasPrefix(cwd, dir+" ") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(proc)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// serverOf finds a server that runs as a user: its first process, 0 for none.
func serverOf(uid int) int {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range all {
		info, err := os.Stat(proc)
		if err != nil {
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		name, err := os.ReadFile(proc + "/comm") // #nosec G304 -- of /proc
		if !ok || err != nil || int(stat.Uid) != uid || strings.TrimSpace(string(name)) != "postgres" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(proc)); err == nil {
			return pid
		}
	}
	return 0
}

package spool

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openMemory makes a file in memory, which counts as the process's own in no statistics but
// those of its control group.
// Source: memfd_create(2)
func openMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("plakar-postgresql", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil // #nosec G115 -- a descriptor
}

// freeMemory is what the machine has, or what the limits of the process's control groups leave,
// in bytes; 0 if it is not known.
func freeMemory() uint64 { return freeBelow("/") }

func freeBelow(root string) uint64 {
	free := available(filepath.Join(root, "proc/meminfo"))
	text, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) //nolint:gosec // of /proc
	for line := range strings.Lines(string(text)) {
		// Source: cgroups(7), /proc/[pid]/cgroup: hierarchy-ID:controller-list:cgroup-path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		switch {
		case fields[0] == "0":
			free = min(free, left(filepath.Join(root, "sys/fs/cgroup"), fields[2], "memory.max", "memory.current"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			free = min(free, left(filepath.Join(root, "sys/fs/cgroup/memory"), fields[2], "memory.limit_in_bytes", "memory.usage_in_bytes"))
		}
	}
	return free
}

// available is MemAvailable of /proc/meminfo, in bytes.
// Source: proc_meminfo(5)
func available(file string) uint64 {
	text, _ := os.ReadFile(file) //nolint:gosec // of /proc
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			return min(kib, math.MaxUint64>>10) << 10
		}
	}
	return 0
}

// left is the least that a limit of a control group, or of one above it, leaves. In a container
// its own group is the topmost one, whatever the path says.
func left(top, path, limit, usage string) uint64 {
	least := uint64(math.MaxUint64)
	for ; ; path = filepath.Dir(path) {
		dir := filepath.Join(top, path)
		if most, limited := number(filepath.Join(dir, limit)); limited {
			used, _ := number(filepath.Join(dir, usage))
			least = min(least, most-min(most, used))
		}
		if path == "/" || path == "." {
			return least
		}
	}
}

// number reads a file with one; there is none in a file that says "max".
func number(file string) (n uint64, ok bool) {
	text, err := os.ReadFile(file) //nolint:gosec // of /sys
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

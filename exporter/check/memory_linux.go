package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// removeSharedMemory removes the segment of System V memory that a killed server leaves:
// the seventh line of postmaster.pid has its key and number. The other shared memory of a
// scratch server is in no file, or in its data directory.
// Source: src/include/utils/pidfile.h
func removeSharedMemory(data string) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) // #nosec G304 -- ours
	lines := strings.Split(string(text), "\n")
	const line = 6
	if err != nil || len(lines) <= line {
		return
	}
	fields := strings.Fields(lines[line])
	if len(fields) != 2 {
		return
	}
	id, err := strconv.Atoi(fields[1])
	var segment unix.SysvShmDesc
	if err != nil {
		return
	}
	// Its number may be another's by now: the key is the same only if it is not.
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err == nil && strconv.Itoa(int(segment.Perm.Key)) == fields[0] && segment.Nattch == 0 {
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}

//go:build !linux

package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processesIn lists the server of the data directory below dir, which tells its other
// processes to end.
func processesIn(dir string) []int {
	text, err := os.ReadFile(filepath.Join(dir, dataName, "postmaster.pid")) // #nosec G304 -- ours
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || syscall.Kill(pid, 0) != nil {
		return nil
	}
	return []int{pid}
}

// serverOf does not know here.
func serverOf(int) int { return 0 }

package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Processes are the programs that run with this plakar's HOME, by process: plakar,
// the plugin's two processes and what these started. It reads Linux' /proc.
func (p *Plakar) Processes() map[int]string {
	found := make(map[int]string)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		environ, err := os.ReadFile(filepath.Join(dir, "environ")) //nolint:gosec // of /proc
		if err != nil || !strings.Contains("\x00"+string(environ), "\x00HOME="+p.Home+"\x00") {
			continue
		}
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		found[pid] = filepath.Base(exe)
	}
	return found
}

package proc

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the process has ended and leaves it to be reaped: until then
// neither its id nor that of its group can be another's. It reports whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err == nil
		}
	}
}

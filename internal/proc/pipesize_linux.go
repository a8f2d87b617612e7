package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetPipeSize gives the pipe f the largest buffer that an unprivileged process may ask
// for by default (/proc/sys/fs/pipe-max-size); without it all works, slower.
func SetPipeSize(f *os.File) {
	conn, err := f.SyscallConn() // f.Fd would make it block
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
}

package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// Widen gives the pipe f the largest buffer that an unprivileged process may ask
// for by default (/proc/sys/fs/pipe-max-size); without it all works, slower.
func Widen(f *os.File) {
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, 1<<20)
}

package check

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// unnamed makes a file of mode 0600 in a directory, which is gone when it is closed, or we are
// killed, before link has given it a name.
func unnamed(dir string) (f outputFile, link func(path string) error, err error) {
	const mode = 0o600
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return temporary(dir) // not every file system can
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, "dump")), func(path string) error { // #nosec G115 -- a file descriptor
		err := unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			return &os.LinkError{Op: "link", Old: "the dump", New: path, Err: err}
		}
		return nil
	}, nil
}

package tempfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newBackend returns what suits Linux.
func newBackend() backend { return &unlinked{open: openUnlinked} }

// openUnlinked makes a file without a name. It cannot get one later: O_EXCL.
// Source: open(2), O_TMPFILE; older kernels know no such flag and see a directory.
func openUnlinked(parent string) (*os.File, error) {
	fd, err := unix.Open(parent, unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch err {
	case nil:
		return os.NewFile(uintptr(fd), parent+"/(deleted)"), nil // #nosec G115 -- a descriptor
	case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL, unix.ENOSYS:
		return nil, fmt.Errorf("%w: %w", errNeedsName, err)
	}
	return nil, &os.PathError{Op: "open", Path: parent, Err: err}
}

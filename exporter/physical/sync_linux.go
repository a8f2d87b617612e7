package physical

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree writes the file system that root is on to disk: much quicker than one file
// after another. An error of a write that happened since root was opened is reported
// (Linux 5.8 or later).
func syncTree(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return unix.Syncfs(int(dir.Fd())) // #nosec G115 -- a file descriptor
}

// startWriteback lets the kernel begin to write a file to disk, so that less is left for
// the end. It is a hint.
func startWriteback(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // #nosec G115 -- a file descriptor
}

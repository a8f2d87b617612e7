package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// punchHole frees the disk space of a part of f.
func punchHole(f *os.File, offset, size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, size)
}

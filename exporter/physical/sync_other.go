//go:build !linux

package physical

import (
	"io/fs"
	"os"
)

// syncTree writes everything below root to disk.
func syncTree(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		return syncDirectory(root, name)
	})
}

// startWriteback is for Linux.
func startWriteback(*os.File) {}

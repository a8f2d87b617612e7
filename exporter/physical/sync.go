package physical

import (
	"errors"
	"os"
)

// syncDirectory writes a directory, or a file, to disk.
func syncDirectory(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

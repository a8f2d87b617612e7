package physical

import (
	"io/fs"
	"os"
)

// access are the modes of what the server makes itself: it lets its group read where it
// may read the data directory (initdb --allow-group-access).
// Source: SetDataDirectoryCreatePerm in src/common/file_perm.c
type access struct{ directory, file fs.FileMode }

// accessOf returns those of a cluster whose data directory has the mode.
func accessOf(mode fs.FileMode) access {
	const group = 0o050
	if mode&group == group {
		return access{directory: 0o750, file: 0o640}
	}
	return access{directory: 0o700, file: 0o600}
}

// findAccess returns those of a cluster whose data directory is open.
func findAccess(root *os.Root) (access, error) {
	info, err := root.Stat(".")
	if err != nil {
		return access{}, err
	}
	return accessOf(info.Mode()), nil
}

package tempfile

import (
	"errors"
	"fmt"
	"os"
)

// unlinked makes files that are reached through /proc only, which Linux has. They never
// have a name, unless the file system cannot do that (some of overlay, NFS, FUSE): then
// they lose it at once, in a directory that the next run removes if this one is killed
// meanwhile.
type unlinked struct {
	named lockedDir
	// open makes a file without a name; the error is errNeedsName where that is impossible.
	open func(parent string) (*os.File, error)
}

// errNeedsName is the error of a file system whose files have a name from the start.
var errNeedsName = errors.New("the file system makes no files without a name")

func (u *unlinked) create(parent string) (*os.File, string, error) {
	f, err := u.open(parent)
	if errors.Is(err, errNeedsName) {
		f, err = u.createNamed(parent)
	}
	if err != nil {
		return nil, "", err
	}
	return f, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
}

// createNamed makes a file and takes its name away.
func (u *unlinked) createNamed(parent string) (*os.File, error) {
	f, path, err := u.named.create(parent)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil { // #nosec G703 -- our own directory
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (u *unlinked) sweep(parent string) { u.named.sweep(parent) }

func (u *unlinked) remove(string) error { return nil }

func (u *unlinked) close() error { return u.named.close() }

//go:build !linux

package scratch

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	prefix   = "plakar-postgresql-"
	lockName = "lock"
)

// place is a folder of named files.
type place struct {
	path string // "" until the first file is made
	lock *os.File
}

func (p *place) create(parent string) (*os.File, string, error) {
	if p.path == "" {
		if err := p.open(parent); err != nil {
			return nil, "", err
		}
	}
	f, err := os.CreateTemp(p.path, "")
	if err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

func (p *place) open(parent string) error {
	sweep(parent)
	path, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return err
	}
	lock, err := lockFile(path, os.O_CREATE)
	if err != nil {
		return errors.Join(err, os.RemoveAll(path))
	}
	p.path, p.lock = path, lock
	return nil
}

func (p *place) remove(path string) error { return os.Remove(path) }

func (p *place) close() error {
	if p.path == "" {
		return nil
	}
	err := os.RemoveAll(p.path)
	p.path = ""
	return errors.Join(err, p.lock.Close())
}

// sweep removes the folders below parent that no running plugin holds. What
// belongs to another user stays.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range dirs {
		// A folder without a lock file is being made or removed right now.
		lock, err := lockFile(dir, 0)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
}

// lockFile takes the exclusive lock in dir, without waiting.
func lockFile(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|unix.O_NOFOLLOW|flag, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

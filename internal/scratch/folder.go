package scratch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName = "lock"
	// making begins the name of a folder whose lock is not held yet.
	making = "plakar-postgresql.new-"
	// madeSince is how old such a folder has to be to be taken for left behind.
	madeSince = time.Hour
)

// folder is a folder of named files, with a lock file that its run holds. It gets
// the name by which other runs find it when the lock is held, and loses the lock file
// last: who finds it unlocked may remove it, and nothing in it outlives the lock file.
type folder struct {
	path string // "" until the first file is made
	lock *os.File
}

func (p *folder) create(parent string) (*os.File, string, error) {
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

func (p *folder) open(parent string) error {
	made, err := os.MkdirTemp(parent, making)
	if err != nil {
		return err
	}
	lock, err := lockFile(made, os.O_CREATE)
	if err != nil {
		return errors.Join(err, os.RemoveAll(made))
	}
	path := filepath.Join(parent, prefix+strings.TrimPrefix(filepath.Base(made), making))
	if err := os.Rename(made, path); err != nil {
		return errors.Join(err, os.RemoveAll(made), lock.Close())
	}
	p.path, p.lock = path, lock
	return nil
}

func (p *folder) remove(path string) error { return os.Remove(path) }

func (p *folder) close() error {
	if p.path == "" {
		return nil
	}
	err := removeFolder(p.path)
	p.path = ""
	return errors.Join(err, p.lock.Close())
}

// removeFolder removes the lock file last.
func removeFolder(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range list {
		if entry.Name() != lockName {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

func (p *folder) sweep(parent string) { sweep(parent) }

// sweep removes the folders below parent that no running plugin holds. What
// belongs to another user stays.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range dirs {
		lock, err := lockFile(dir, 0)
		if err != nil {
			_ = os.Remove(dir) // if it is empty: the lock file went last
			continue
		}
		_ = removeFolder(dir)
		_ = lock.Close()
	}
	unfinished, _ := filepath.Glob(filepath.Join(parent, making+"*"))
	for _, dir := range unfinished {
		if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > madeSince {
			_ = os.Remove(filepath.Join(dir, lockName))
			_ = os.Remove(dir)
		}
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

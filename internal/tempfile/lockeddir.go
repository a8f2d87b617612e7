package tempfile

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
	// incompletePrefix begins the name of a directory whose lock is not held yet.
	incompletePrefix = "plakar-postgresql.new-"
	// staleAfter is how old such a directory has to be to be taken for left behind.
	staleAfter = time.Hour
)

// lockedDir is a directory of named files, with a lock file that its run holds. It gets
// the name by which other runs find it when the lock is held, and loses the lock file
// last: who finds it unlocked may remove it, and nothing in it outlives the lock file.
type lockedDir struct {
	path string // "" until the first file is made
	lock *os.File
}

func (p *lockedDir) create(parent string) (*os.File, string, error) {
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

func (p *lockedDir) open(parent string) error {
	made, err := os.MkdirTemp(parent, incompletePrefix)
	if err != nil {
		return err
	}
	lock, err := lockFile(made, os.O_CREATE)
	if err != nil {
		return errors.Join(err, os.RemoveAll(made))
	}
	path := filepath.Join(parent, prefix+strings.TrimPrefix(filepath.Base(made), incompletePrefix))
	if err := os.Rename(made, path); err != nil {
		return errors.Join(err, os.RemoveAll(made), lock.Close())
	}
	p.path, p.lock = path, lock
	return nil
}

func (p *lockedDir) remove(path string) error { return os.Remove(path) }

func (p *lockedDir) close() error {
	if p.path == "" {
		return nil
	}
	err := removeDir(p.path)
	p.path = ""
	return errors.Join(err, p.lock.Close())
}

// removeDir removes the lock file last.
func removeDir(dir string) error {
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

func (p *lockedDir) sweep(parent string) { sweep(parent) }

// sweep removes the directories below parent that no running plugin holds. What
// belongs to another user stays.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range dirs {
		lock, err := lockFile(dir, 0)
		if err != nil {
			_ = os.Remove(dir) // if it is empty: the lock file went last
			continue
		}
		_ = removeDir(dir)
		_ = lock.Close()
	}
	unfinished, _ := filepath.Glob(filepath.Join(parent, incompletePrefix+"*"))
	for _, dir := range unfinished {
		if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, lockName))
			_ = os.Remove(dir)
		}
	}
}

// lockFile takes the exclusive lock in dir, without waiting.
func lockFile(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|unix.O_NOFOLLOW|flag, 0o600) // #nosec G304 -- our own directory
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

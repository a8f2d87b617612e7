package harness

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// imageUser is the user and group of a container's server when this machine has
// no account for it: that of the official images.
const imageUser = 999

// owner is the account that servers run as: our own one, or postgres when we
// are root, because PostgreSQL refuses to run as root.
type owner struct{ uid, gid int }

var serverOwner = sync.OnceValues(func() (owner, error) {
	if os.Getuid() != 0 {
		return owner{os.Getuid(), os.Getgid()}, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil && os.Getenv("PG_IMAGE") != "" {
		return owner{imageUser, imageUser}, nil
	}
	if err != nil {
		return owner{}, fmt.Errorf("servers cannot run as root: %w; run tests/setup/postgres.sh", err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.Atoi(account.Gid)
	return owner{uid, gid}, err
})

// OwnerOption are the flags of plakar restore with which postgres+bin:// gives files to the user
// that servers run as, where that is not its default: none, where there is a user postgres, or
// we are not root.
func OwnerOption(tb testing.TB) []string {
	tb.Helper()
	account(tb)
	if _, err := user.Lookup("postgres"); err == nil || os.Getuid() != 0 {
		return nil
	}
	return []string{"-o", fmt.Sprintf("owner=%d:%d", imageUser, imageUser)}
}

// ServerUID is the number of the user that servers run as.
func ServerUID(tb testing.TB) int {
	tb.Helper()
	who, err := serverOwner()
	must(tb, err)
	return who.uid
}

func account(tb testing.TB) {
	tb.Helper()
	if _, err := serverOwner(); err != nil {
		Missing(tb, "%v", err)
	}
}

// credential is nil when servers run as ourselves.
func credential() *syscall.Credential {
	who, err := serverOwner()
	if err != nil || os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)} //nolint:gosec // ids fit
}

// giveAway hands a file or directory over to the server's user.
func giveAway(path string) error {
	who, err := serverOwner()
	if err != nil || os.Getuid() != 0 {
		return err
	}
	return os.Lchown(path, who.uid, who.gid)
}

// tempDir makes a directory for one server, with a short name (a socket's
// path must fit into 107 bytes), and removes what dead processes left.
func tempDir(tb testing.TB) string {
	tb.Helper()
	sweep()
	dir, err := os.MkdirTemp("", "pgtest-")
	must(tb, err)
	lock, err := lockFile(filepath.Join(dir, "lock"))
	must(tb, err)
	tb.Cleanup(func() {
		_ = lock.Close()
		_ = os.RemoveAll(dir)
	})
	must(tb, os.Chmod(dir, 0o711)) //nolint:gosec // the server's user has to get through
	must(tb, giveAway(dir))
	return dir
}

// sweep removes the directories of test processes that were killed: their
// lock is free.
var sweep = sync.OnceFunc(func() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), "pgtest-*"))
	for _, dir := range dirs {
		info, err := os.Stat(filepath.Join(dir, "lock"))
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, "lock")) //nolint:gosec // our own
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
})

// lockFile waits for the lock on path, which lasts until the file is closed.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return file, nil
}

// copyTree copies a data directory and gives the copy to the server's user.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type()&fs.ModeSymlink != 0:
			err = copyLink(path, target)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default: // a socket
			return nil
		}
		if err != nil {
			return err
		}
		return giveAway(target)
	})
}

func copyLink(from, to string) error {
	dest, err := os.Readlink(from)
	if err != nil {
		return err
	}
	return os.Symlink(dest, to)
}

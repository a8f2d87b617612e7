package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/PlakarKorp/integration-postgresql/exporter/physical"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// prefix begins the name of every scratch directory.
const prefix = "plakar-check-"

// unlocked ends the name of a directory whose lock is not held yet.
const unlocked = ".new"

// port is the number in the name of the socket: nobody else is in its directory.
const port = "5432"

// maxSocket is how long the path of a socket may be, in bytes.
// Source: unix(7), sun_path, with the byte that ends it
const maxSocket = 107

// nameSize is how many random bytes are in a name.
const nameSize = 6

// place is where scratch directories go, and whom they belong to.
type place struct {
	parent string     // absolute, without links
	user   proc.User  // that the server runs as
	as     *proc.User // nil for our own user
}

// findPlace checks what the options name, and touches nothing.
func findPlace(parent, owner string) (place, error) {
	refused := func(err error) (place, error) { return place{}, fmt.Errorf("option \"location\": %w", err) }
	resolved, err := filepath.EvalSymlinks(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refused(fmt.Errorf("%s does not exist: give a directory with room for the cluster", parent))
	case err != nil:
		return refused(err)
	}
	info, err := os.Stat(resolved)
	switch {
	case err != nil:
		return refused(err)
	case !info.IsDir():
		return refused(fmt.Errorf("%s is not a directory", parent))
	case unix.Access(resolved, unix.W_OK|unix.X_OK) != nil:
		return refused(fmt.Errorf("%s cannot be written to", parent))
	}
	socket := filepath.Join(resolved, prefix+hex.EncodeToString(make([]byte, nameSize)), socketName, ".s.PGSQL."+port)
	if len(socket) > maxSocket {
		return refused(fmt.Errorf("%s is too long a path for the socket of a server in it, by %d bytes", resolved, len(socket)-maxSocket))
	}
	uid, gid, err := physical.Owner(owner)
	if err != nil {
		return place{}, err
	}
	if owner == "" {
		if pid := serverOf(uid); pid != 0 {
			return place{}, fmt.Errorf("option \"owner\": a server of the user %d is running here (process %d), whose files the SQL of a snapshot could reach: "+
				"give a system user of its own, or the same user if you trust the snapshot", uid, pid)
		}
	}
	p := place{parent: resolved, user: proc.User{UID: uid, GID: gid}}
	if os.Geteuid() == 0 {
		p.as = &p.user
	}
	return p, p.checkPath()
}

// checkPath makes sure that the server's user may pass through to the directory.
func (p place) checkPath() error {
	for at := p.parent; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("option \"location\": %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		mode := info.Mode().Perm()
		pass := mode&0o001 != 0
		if ok && int(stat.Uid) == p.user.UID {
			pass = mode&0o100 != 0
		} else if ok && int(stat.Gid) == p.user.GID {
			pass = mode&0o010 != 0
		}
		if !pass && p.as != nil {
			return fmt.Errorf("option \"location\": the user %d, whom the server runs as, may not pass through %s: give another directory, or chmod o+x that one", p.user.UID, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// scratch is a directory for one proof.
type scratch struct {
	place
	dir   string
	lock  *os.File
	guard *proc.Guard
}

// newScratch names a directory, of which a guard knows before it is there. What earlier proofs
// left is removed.
func newScratch(p place) (*scratch, error) {
	p.sweep()
	random := make([]byte, nameSize)
	_, _ = rand.Read(random) // never fails
	s := &scratch{place: p, dir: filepath.Join(p.parent, prefix+hex.EncodeToString(random))}
	var err error
	s.guard, err = proc.StartGuard(guardArg, s.dir)
	return s, err
}

// makeScratch makes a directory.
func makeScratch(p place) (*scratch, error) {
	s, err := newScratch(p)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.dir+unlocked, 0o700); err != nil {
		return nil, errors.Join(err, s.guard.Dismiss())
	}
	if s.lock, err = lock(s.dir + unlocked); err == nil {
		err = errors.Join(os.Rename(s.dir+unlocked, s.dir), os.Mkdir(s.path(socketName), 0o700), s.give(socketName), s.give("."))
	}
	if err != nil {
		return nil, errors.Join(err, s.guard.Release(context.Background()))
	}
	return s, nil
}

// sweep removes the directories of this user that no proof holds.
func (p place) sweep() {
	dirs, _ := filepath.Glob(filepath.Join(p.parent, prefix+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || strings.HasSuffix(dir, unlocked) {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != p.user.UID {
			continue
		}
		if held, err := lock(dir); err == nil {
			if _, err := os.Lstat(filepath.Join(dir, keptName)); err != nil {
				_ = clean(dir)
			}
			_ = held.Close()
		}
	}
}

func (s *scratch) path(name string) string { return filepath.Join(s.dir, name) }

// give gives an entry to the server's user.
func (s *scratch) give(name string) error {
	if s.as == nil {
		return nil
	}
	return os.Lchown(s.path(name), s.user.UID, s.user.GID)
}

// write makes a file for the server.
func (s *scratch) write(name, text string) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if s.as != nil {
		err = errors.Join(err, f.Chown(s.user.UID, s.user.GID))
	}
	return errors.Join(err, f.Close())
}

// room is how many bytes are free for the server's user.
func (s *scratch) room() (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(s.dir, &fs); err != nil {
		return 0, err
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil //nolint:gosec,unconvert // the types differ by system
}

// remove ends what runs there and removes the directory. When ctx is done, the guard goes on
// by itself.
func (s *scratch) remove(ctx context.Context) error {
	err := s.guard.Release(ctx)
	if err != nil && ctx.Err() == nil {
		err = clean(s.dir) // somebody killed it
	}
	return errors.Join(err, s.lock.Close())
}

// keep lets the directory stay: the user removes it.
func (s *scratch) keep() error {
	if err := s.write(keptName, "A check with keep=true left this directory and the server in it.\n"); err != nil {
		return err
	}
	return errors.Join(s.guard.Dismiss(), s.lock.Close())
}

// checkRoom compares what a cluster needs with what there is.
func (s *scratch) checkRoom(needed uint64) (text string, err error) {
	free, err := s.room()
	if err != nil {
		return "", err
	}
	if free < needed {
		return "", fmt.Errorf("%s has %s free, the cluster needs %s: give a directory with more room", s.parent, humanize.IBytes(free), humanize.IBytes(needed))
	}
	return fmt.Sprintf("%s of the %s that are free in %s are needed", humanize.IBytes(needed), humanize.IBytes(free), s.parent), nil
}

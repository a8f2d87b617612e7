package physical

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// openRoot opens a directory that is there, and was looked at.
func (d *directory) openRoot() error {
	if err := d.descend(nil); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

// descend opens the directory. With an owner it makes it first, and those above it, as far as they are
// missing, and gives them to the owner.
//
// It goes from each directory into the next one, and through no link: who owns a directory on the way, like
// one that was just given away, could lead us elsewhere otherwise. Only root has more rights than they. Others begin
// with what is there, since they may not be able to read what is above.
func (d *directory) descend(own *owner) (err error) {
	at := "/"
	if os.Geteuid() != 0 {
		at = existing(d.resolved)
	}
	d.root, err = openSame(at, os.Lstat, os.OpenRoot)
	for err == nil && at != d.resolved {
		name, rest, deeper := strings.Cut(strings.TrimPrefix(d.resolved[len(at):], "/"), "/")
		mode := fs.FileMode(0o700)
		if deeper && rest != "" {
			mode = 0o755 // others have to pass through
		}
		at = filepath.Join(at, name)
		err = d.enter(name, mode, own)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// existing is the path as far as it is there.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// enter goes one step down.
func (d *directory) enter(name string, mode fs.FileMode, own *owner) (err error) {
	above, made := d.root, false
	d.root = nil
	if own != nil {
		made, err = makeIn(above, name, mode)
	}
	if made {
		d.created = append([]place{{above, name}}, d.created...)
	} else {
		defer func() { err = errors.Join(err, above.Close()) }()
	}
	if err == nil {
		d.root, err = openSame(name, above.Lstat, above.OpenRoot)
	}
	if err == nil && made {
		err = own.giveIn(d.root, ".")
	}
	return err
}

// makeIn makes a directory, unless there is something of that name.
func makeIn(root *os.Root, name string, mode fs.FileMode) (made bool, err error) {
	if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	err = root.Mkdir(name, mode)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

var errReplaced = errors.New("it was replaced while it was opened")

// openSame opens what is a directory itself, not what a link leads to, nor what it was exchanged for in between.
func openSame(name string, lstat func(string) (fs.FileInfo, error), open func(string) (*os.Root, error)) (*os.Root, error) {
	info, err := lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, errReplaced
	}
	root, err := open(name)
	if err != nil {
		return nil, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		return nil, errors.Join(errReplaced, root.Close())
	}
	return root, nil
}

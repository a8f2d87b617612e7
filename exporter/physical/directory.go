package physical

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// markerName is the file that lies in every directory of a restore until it is complete.
// It keeps two restores from the same directory.
const markerName = "plakar-restore-incomplete"

const markerText = "A restore into this directory is going on, or did not end.\n" +
	"It cannot be started. Empty it before you restore again.\n"

// directory is one that is restored to: it does not exist, or is empty.
type directory struct {
	option   string // that names it
	path     string // absolute
	resolved string // without links; what does not exist yet is as it was given
	root     *os.Root
	taken    bool    // the marker in it is ours
	created  []place // directories that were made for it, the last one first
}

// check refuses a path that cannot be used, without touching it.
func (d *directory) check() error {
	there, err := d.look()
	if err != nil || !there {
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return d.refused(err)
	}
	defer func() { _ = dir.Close() }()
	return d.checkEmpty(dir)
}

// look refuses what is no directory, whatever is in it.
func (d *directory) look() (there bool, err error) {
	resolved, err := resolve(d.path)
	if err != nil {
		return false, d.refused(err)
	}
	d.resolved = resolved
	info, err := os.Lstat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, d.refused(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return false, d.refused(fmt.Errorf("%s is a symbolic link: give the directory that it leads to", d.path))
	case !info.IsDir():
		return false, d.refused(fmt.Errorf("%s is not a directory", d.path))
	}
	return true, nil
}

// checkEmpty refuses a directory that holds anything but our marker, where allowed.
func (d *directory) checkEmpty(dir *os.File, allowed ...string) error {
	names, err := dir.Readdirnames(len(allowed) + 100)
	if err != nil && !errors.Is(err, io.EOF) {
		return d.refused(err)
	}
	holds := make(map[string]bool)
	other := ""
	for _, name := range names {
		holds[name] = true
		if len(allowed) == 0 || name != allowed[0] {
			other = name
		}
	}
	switch {
	case other == "":
		return nil
	case holds["postmaster.pid"]:
		return d.refused(fmt.Errorf("%s is not empty: a server uses it, or did (postmaster.pid)", d.path))
	case holds[markerName] && len(allowed) == 0:
		return d.refused(fmt.Errorf("%s is not empty: another restore into it is going on, or did not end (%s)", d.path, markerName))
	case other == "lost+found":
		return d.refused(fmt.Errorf("%s is a mount point (it holds lost+found): make a directory in it and give that", d.path))
	}
	return d.refused(fmt.Errorf("%s is not empty (it holds %q): a restore wants a directory that is empty or does not exist", d.path, other))
}

// checkCreatable refuses a directory that cannot be made, or written to.
func (d *directory) checkCreatable() error {
	at := d.resolved
	for {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			return d.refused(fmt.Errorf("%s is not a directory", at))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return d.refused(err)
		}
		at = filepath.Dir(at)
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		return d.refused(fmt.Errorf("%s cannot be written to: %w", at, err))
	}
	return nil
}

// open makes the directory if it is missing, takes it, and puts the marker there.
func (d *directory) open(own owner) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(d.refused(err), d.abandon())
		}
	}()
	if err := d.descend(&own); err != nil {
		return err
	}
	return d.take()
}

// take makes the marker, and makes sure that nothing else is there.
func (d *directory) take() error {
	marker, err := d.root.OpenFile(markerName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: another restore into it is going on, or did not end (%s)", d.path, markerName)
	}
	if err != nil {
		return err
	}
	d.taken = true
	_, err = marker.WriteString(markerText)
	if err = errors.Join(err, marker.Close()); err != nil {
		return err
	}
	dir, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return d.checkEmpty(dir, markerName)
}

// abandon is for a restore that did not begin: what was made for it goes.
func (d *directory) abandon() error {
	var errs []error
	if d.taken {
		errs = append(errs, d.root.Remove(markerName))
	}
	d.taken = false
	for _, made := range d.created {
		if err := made.root.Remove(made.name); err != nil {
			break // somebody else uses it by now
		}
	}
	return errors.Join(append(errs, d.close())...)
}

// close closes what is open.
func (d *directory) close() error {
	var errs []error
	if d.root != nil {
		errs = append(errs, d.root.Close())
	}
	for _, made := range d.created {
		errs = append(errs, made.root.Close())
	}
	d.root, d.created = nil, nil
	return errors.Join(errs...)
}

// refused names the option.
func (d *directory) refused(err error) error {
	prefix := fmt.Sprintf("option %q: ", d.option)
	if strings.HasPrefix(err.Error(), prefix) {
		return err
	}
	return fmt.Errorf("%s%w", prefix, err)
}

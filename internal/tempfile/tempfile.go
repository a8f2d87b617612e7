// Package tempfile owns the temporary files of a run: PEM material for the
// client tools and dumps that wait to be restored.
//
// plakar ends a plugin with SIGKILL when the user presses Ctrl-C, so nothing can
// be removed at the end. On Linux the files therefore have no name in the file
// system from the start: they are reached through /proc/PID/fd, by the tools as
// well, and vanish with the plugin. Elsewhere, and for a moment on file systems that
// cannot do that, they live in one directory of the run, mode 0700, which a lock tells from those that a killed plugin left
// behind; the next run removes those.
package tempfile

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// Dir makes the temporary files of one run. It is safe for concurrent use.
type Dir struct {
	parent string

	mu      sync.Mutex
	files   map[*File]struct{}
	backend backend
}

// prefix begins the names of everything that is made in a temporary directory.
const prefix = "plakar-postgresql-"

// backend is where and how files are made. Its methods are called one at a time.
type backend interface {
	// sweep removes what killed runs left below parent.
	sweep(parent string)
	// create makes an empty file below parent, and returns the path to open it by.
	create(parent string) (*os.File, string, error)
	// remove removes the name of a file, if it has one.
	remove(path string) error
	// close removes what is left.
	close() error
}

// File is a temporary file, mode 0600.
type File struct {
	*os.File
	// Path is how other processes of the same user open the file.
	Path string

	dir *Dir
}

// New returns a Dir whose files are in parent, or in the system's temporary
// directory when parent is empty. What killed runs left there is removed; nothing is
// written before the first file is made.
func New(parent string) *Dir {
	if parent == "" {
		parent = os.TempDir()
	}
	return newDir(parent, newBackend())
}

func newDir(parent string, b backend) *Dir {
	b.sweep(parent)
	return &Dir{parent: parent, files: make(map[*File]struct{}), backend: b}
}

// Create makes an empty file.
func (d *Dir) Create() (*File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, path, err := d.backend.create(d.parent)
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file in %s: %w", d.parent, err)
	}
	file := &File{File: f, Path: path, dir: d}
	d.files[file] = struct{}{}
	return file, nil
}

// Write makes a file with content.
func (d *Dir) Write(content []byte) (*File, error) {
	f, err := d.Create()
	if err != nil {
		return nil, err
	}
	if _, err := f.File.Write(content); err != nil {
		return nil, errors.Join(fmt.Errorf("writing a temporary file in %s: %w", d.parent, err), f.Remove())
	}
	return f, nil
}

// Remove closes the file and frees its space.
func (f *File) Remove() error {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	return f.dir.remove(f)
}

func (d *Dir) remove(f *File) error {
	if _, there := d.files[f]; !there {
		return nil
	}
	delete(d.files, f)
	return errors.Join(f.Close(), d.backend.remove(f.Path))
}

// Close removes all files that are left.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for f := range d.files {
		errs = append(errs, d.remove(f))
	}
	return errors.Join(append(errs, d.backend.close())...)
}

package harness

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// homes is where the home is that NewPlakar copies: an installation of the package
// takes a third of a second and 100 MB. It is empty without Main, which removes it.
var homes struct {
	sync.Mutex
	dir  string // "" without Main
	made bool
}

// install gives p a home in which the package is installed.
func (p *Plakar) install(pkg string) {
	p.tb.Helper()
	homes.Lock()
	defer homes.Unlock()
	if homes.dir == "" {
		p.MustRun("pkg", "add", pkg)
		return
	}
	plugins := []string{filepath.Join(".cache", "plakar", "plugins"), filepath.Join(".local", "share", "plakar", "plugins")}
	if !homes.made {
		p.MustRun("pkg", "add", pkg)
		for _, dir := range plugins {
			must(p.tb, linkTree(filepath.Join(p.Home, dir), filepath.Join(homes.dir, dir)))
		}
		homes.made = true
		return
	}
	for _, dir := range plugins {
		must(p.tb, linkTree(filepath.Join(homes.dir, dir), filepath.Join(p.Home, dir)))
	}
}

// linkTree makes the directories of a tree anew, and its files by hard links.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return os.Link(path, target)
	})
}

// withHome runs the tests with a place for the home that is copied.
func withHome(m *testing.M) (status int) {
	dir, err := os.MkdirTemp("", "plk-home-")
	if err != nil {
		return m.Run() // every test installs the package for itself
	}
	defer func() { _ = os.RemoveAll(dir) }()
	homes.dir = dir
	return m.Run()
}

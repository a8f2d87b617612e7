package harness

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// homes is what NewPlakar copies, since two commands of plakar and an installation of the
// package, of 100 MB, take half a second. It is empty without Main, which removes it.
var homes struct {
	sync.Mutex
	dir       string // "" without Main
	bare      bool   // a home and a store are there
	installed bool   // the package's files are there
}

// furnish makes p's home and its store, which has no encryption.
func (p *Plakar) furnish() {
	p.tb.Helper()
	homes.Lock()
	defer homes.Unlock()
	places := map[string]string{p.Home: filepath.Join(homes.dir, "home"), p.Store: filepath.Join(homes.dir, "store")}
	if homes.bare {
		for own, kept := range places {
			must(p.tb, os.CopyFS(own, os.DirFS(kept)))
		}
		return
	}
	must(p.tb, os.Mkdir(p.Home, 0o700))
	p.MustRun("-disable-security-check")
	p.MustRun("create", "-plaintext")
	if homes.dir == "" {
		return
	}
	for own, kept := range places {
		must(p.tb, os.CopyFS(kept, os.DirFS(own)))
	}
	homes.bare = true
}

// NewStore gives p an empty store with an identifier of its own. Otherwise all have the same,
// and plakar synchronises none with another one.
func (p *Plakar) NewStore() {
	p.tb.Helper()
	must(p.tb, os.RemoveAll(p.Store))
	p.MustRun("create", "-plaintext")
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
	if !homes.installed {
		p.MustRun("pkg", "add", pkg)
		for _, dir := range plugins {
			must(p.tb, linkTree(filepath.Join(p.Home, dir), filepath.Join(homes.dir, dir)))
		}
		homes.installed = true
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

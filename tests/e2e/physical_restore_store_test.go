package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Whatever plakar makes of a store in which a large file was cut off (version 1.1.4 may even
// crash), nothing that can be started comes of it.
func TestPhysicalRestoreTruncatedStore(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	src := harness.Start(t)
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	whole := p.Store
	var large []string
	err := filepath.WalkDir(whole, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > 1<<20 {
			rel, errRel := filepath.Rel(whole, path)
			large, err = append(large, rel), errRel
		}
		return err
	})
	if err != nil || len(large) == 0 {
		t.Fatal(large, err)
	}
	for _, name := range large {
		p.Store = filepath.Join(t.TempDir(), "store")
		if err := os.CopyFS(p.Store, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(p.Store, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(p.Store, name), info.Size()/2); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "new")
		result := p.Restore(binURL(dir), snapshot, opts(t, nil)...)
		if result.ExitCode == 0 {
			t.Errorf("%s was cut off, and the restore succeeds: %s", name, result.Output())
		}
		notStartable(t, dir)
	}
}

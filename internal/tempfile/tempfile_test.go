package tempfile

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
)

func entries(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFile(t *testing.T) {
	for kind, p := range backends() {
		t.Run(kind, func(t *testing.T) {
			parent := t.TempDir()
			testFile(t, parent, newDir(parent, p), kind == "unlinked")
		})
	}
	t.Run("default", func(t *testing.T) {
		parent := t.TempDir()
		testFile(t, parent, New(parent), runtime.GOOS == "linux")
	})
}

func testFile(t *testing.T, parent string, d *Dir, unlinked bool) {
	t.Helper()
	if len(entries(t, parent)) != 0 {
		t.Error("something is there before the first file")
	}
	f, err := d.Write([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Create()
	if err != nil {
		t.Fatal(err)
	}
	// Others open it by its path, more than once, and from the beginning.
	for range 2 {
		if text, err := os.ReadFile(f.Path); err != nil || string(text) != "secret" {
			t.Errorf("%q, %v", text, err)
		}
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if unlinked && len(entries(t, parent)) != 0 {
		t.Error("the file has a name, and would be left behind by SIGKILL")
	}
	if err := other.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := other.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if len(entries(t, parent)) != 0 {
		t.Error("something is left")
	}
}

func TestMissingDirectory(t *testing.T) {
	_, err := New(t.TempDir() + "/nowhere").Create()
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v does not name the directory", err)
	}
}

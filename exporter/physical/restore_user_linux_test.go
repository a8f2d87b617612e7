package physical

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// Who is not root fills directories that are read-only in the end, and modes do not depend on the umask.
func TestModesAsUser(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	// The thread is not unlocked: it ends with the test.
	runtime.LockOSThread()
	s := newSnapshot()
	s.files["mine/deep/file"], s.files["mine/file"] = "", ""
	s.modes = map[string]fs.FileMode{"mine": 0o550, "mine/deep": 0o500, "base": 0o700}
	become := func(id int) error { return errors.Join(unix.Setfsgid(id), unix.Setfsuid(id)) }
	begun := os.Getuid() != 0
	dir, err := s.sign().restore(t, options.PhysicalRestore{}, func(dir string) {
		if begun {
			return
		}
		begun = true
		// The user that this root gives everything to, with no more rights to files than that.
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755), become(12345)); err != nil {
			t.Fatal(err)
		}
	})
	if os.Getuid() == 0 {
		err = errors.Join(err, become(0))
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o750, "mine": 0o550, "mine/deep": 0o500, "base": 0o700, "base/1": 0o750, "pg_wal": 0o750, "pg_stat": 0o750} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want || s.modes[name] != 0 && !info.ModTime().Equal(modified) {
			t.Errorf("%s: %v %v, want %v", name, info, err, want)
		}
	}
	// For who removes them.
	if err := errors.Join(os.Chmod(filepath.Join(dir, "mine"), 0o700), os.Chmod(filepath.Join(dir, "mine/deep"), 0o700)); err != nil {
		t.Error(err)
	}
}

package tempfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// runHere makes the test binary a plugin that writes a secret into the directory that
// the variable names, and waits for its end.
const runHere = "TEMPFILE_RUN_HERE"

func TestMain(m *testing.M) {
	parent := os.Getenv(runHere)
	if parent == "" {
		os.Exit(m.Run())
	}
	kind, parent, _ := strings.Cut(parent, ":")
	d := newDir(parent, backends()[kind])
	f, err := d.Write([]byte("secret"))
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(f.Path)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := d.Close(); err != nil {
		os.Exit(1)
	}
}

// backends are those that work on this system.
func backends() map[string]backend {
	all := map[string]backend{"directory": &lockedDir{}}
	if runtime.GOOS == "linux" {
		all["unlinked"] = newBackend()
		all["named first"] = &unlinked{open: func(string) (*os.File, error) { return nil, errNeedsName }}
	}
	return all
}

// run is a process of its own that has a file.
type run struct {
	cmd   *exec.Cmd
	stdin io.Closer
	file  string
}

func start(t *testing.T, kind, parent string) run {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), runHere+"="+kind+":"+parent)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return run{cmd, stdin, strings.TrimSpace(line)}
}

func (r run) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
}

// What a plugin that was killed left behind is removed by the next one, which leaves
// those that run alone.
func TestKilled(t *testing.T) {
	parent := t.TempDir()
	living, killed := start(t, "directory", parent), start(t, "directory", parent)
	killed.kill(t)
	if text, err := os.ReadFile(killed.file); err != nil || string(text) != "secret" {
		t.Fatalf("%q, %v: there is nothing to remove", text, err)
	}
	d := newDir(parent, &lockedDir{}) // which need not make a file
	if _, err := os.Stat(filepath.Dir(killed.file)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of the killed run is still there: %v", err)
	}
	f, err := d.Create()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{living.file, f.Path} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a run that goes on has lost its file: %v", err)
		}
		info, err := os.Stat(filepath.Dir(path))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode of the directory: %v, %v", info.Mode(), err)
		}
	}
	_ = living.stdin.Close()
	if err := errors.Join(living.cmd.Wait(), d.Close()); err != nil {
		t.Error(err)
	}
	if left := entries(t, parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// On Linux a killed plugin leaves nothing at all, or, where files have names at first, an
// empty directory that the next run removes.
func TestKilledUnlinked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux opens files without a name")
	}
	for kind, left := range map[string]int{"unlinked": 0, "named first": 1} {
		parent := t.TempDir()
		r := start(t, kind, parent)
		if text, err := os.ReadFile(r.file); err != nil || string(text) != "secret" {
			t.Errorf("%s: %q, %v: another process cannot read it", kind, text, err)
		}
		if there := files(t, parent); len(there) != 0 {
			t.Errorf("%s: it has a name: %v", kind, there)
		}
		r.kill(t)
		if _, err := os.Stat(r.file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it outlives the run: %v", kind, err)
		}
		if there := entries(t, parent); len(there) != left {
			t.Errorf("%s: left behind: %v", kind, there)
		}
		if err := New(parent).Close(); err != nil {
			t.Error(err)
		}
		if there := entries(t, parent); len(there) != 0 {
			t.Errorf("%s: not swept: %v", kind, there)
		}
	}
}

// A plugin that is killed between making a file and taking its name away leaves what
// the next one removes.
func TestKilledWhileNamed(t *testing.T) {
	parent := t.TempDir()
	r := start(t, "directory", parent) // which keeps the names
	r.kill(t)
	if len(files(t, parent)) != 1 {
		t.Fatal("there is nothing to remove")
	}
	if err := New(parent).Close(); err != nil {
		t.Error(err)
	}
	if there := entries(t, parent); len(there) != 0 {
		t.Errorf("not swept: %v", there)
	}
}

// The flag that makes files without a name has to do so here: else every test of it
// would test what takes its place.
func TestOpenUnlinked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux opens files without a name")
	}
	b, ok := newBackend().(*unlinked)
	if !ok {
		t.Fatal("Linux has another backend")
	}
	f, err := b.open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	// A file system that has no files of users' at all.
	if _, err := b.open("/proc"); !errors.Is(err, errNeedsName) {
		t.Errorf("%v is not taken for a file system that cannot", err)
	}
}

// files are those below the parent, locks excepted.
func files(t *testing.T, parent string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(parent, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != lockName {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Runs that begin at the same moment do not take one another's directories for left
// behind.
func TestBeginTogether(t *testing.T) {
	parent := t.TempDir()
	var runs sync.WaitGroup
	for range 100 {
		runs.Go(func() {
			d := newDir(parent, &lockedDir{})
			f, err := d.Write([]byte("mine"))
			if err != nil {
				t.Error(err)
				return
			}
			if text, err := os.ReadFile(f.Path); err != nil || string(text) != "mine" {
				t.Errorf("%q, %v", text, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	if left := entries(t, parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is not ours is not swept away, whatever its name; what is left of runs that were
// killed while they made or removed their directory is.
func TestSweepLeavesOthers(t *testing.T) {
	parent := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(elsewhere, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{prefix + "unlocked", prefix + "linked", "other-1", incompletePrefix + "young"} {
		if err := os.Mkdir(filepath.Join(parent, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(parent, dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * staleAfter)
	for _, dir := range []string{prefix + "empty", incompletePrefix + "old"} {
		path := filepath.Join(parent, dir)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chtimes(path, long, long)); err != nil {
			t.Fatal(err)
		}
	}
	// A link in the lock's place is not followed.
	if err := os.Symlink(elsewhere, filepath.Join(parent, prefix+"linked", lockName)); err != nil {
		t.Fatal(err)
	}
	d := newDir(parent, &lockedDir{})
	if _, err := d.Create(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left := entries(t, parent); len(left) != 4 {
		t.Errorf("left of four: %v", left)
	}
}

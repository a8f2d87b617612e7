package physical

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestResolve(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(base, name) }
	if err := errors.Join(os.MkdirAll(in("real/deep"), 0o700), os.Symlink("real", in("relative")), os.Symlink(in("real"), in("absolute")),
		os.Symlink("../absolute/deep", in("real/chain")), os.Symlink("loop", in("loop")), os.WriteFile(in("file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"real/deep": "real/deep", "relative/deep": "real/deep", "absolute/new/dir": "real/new/dir", "relative/chain": "real/deep", "new": "new",
	} {
		if got, err := resolve(in(path)); err != nil || got != in(want) {
			t.Errorf("%s: %s %v, want %s", path, got, err, want)
		}
	}
	for path, want := range map[string]string{"loop": "too many", "file/x": "not a directory"} {
		if got, err := resolve(in(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s %v, want %q", path, got, err, want)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Lchown(in("relative"), 1, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := resolve(in("relative/deep")); err == nil || !strings.Contains(err.Error(), "does not belong to root") {
		t.Errorf("a link of another user: %s %v", got, err)
	}
}

func TestApart(t *testing.T) {
	for pair, together := range map[[2]string]bool{
		{"/a", "/a"}: true, {"/a", "/a/b"}: true, {"/a/b", "/a"}: true, {"/a", "/ab"}: false, {"/a/b", "/a/c"}: false, {"/a", "/..a"}: false,
	} {
		err := checkApart([]*directory{{option: "location", path: pair[0], resolved: pair[0]}, {option: "wal_dir", path: pair[1], resolved: pair[1]}})
		if (err != nil) != together {
			t.Errorf("%v: %v", pair, err)
		}
	}
}

// Of many restores that begin at the same time one gets the directory, and one that did not begin
// leaves nothing.
func TestOneTakes(t *testing.T) {
	for range 20 {
		base := t.TempDir()
		path := filepath.Join(base, "deep", "data")
		var mu sync.Mutex
		var taken []*directory
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				d := &directory{option: "location", path: path}
				if err := d.check(); err != nil {
					return
				}
				if d.open(owner{}) != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, d)
			})
		}
		all.Wait()
		if len(taken) != 1 {
			t.Fatalf("%d restores have one directory", len(taken))
		}
		if _, err := taken[0].root.Lstat(markerName); err != nil {
			t.Fatal(err)
		}
		if err := taken[0].abandon(); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
			t.Errorf("left: %v", entries)
		}
	}
}

// A directory above that was exchanged for a link, when it had been looked at, leads nowhere.
func TestExchangedAbove(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("others than root may go by the path as far as it is there")
	}
	for _, there := range []string{"", "deep", "deep/data"} {
		base, victim := t.TempDir(), t.TempDir()
		above := filepath.Join(base, "above")
		d := &directory{option: "location", path: filepath.Join(above, "deep", "data")}
		err := errors.Join(os.MkdirAll(filepath.Join(above, there), 0o700), os.MkdirAll(filepath.Join(victim, there), 0o700), d.check(), os.Rename(above, above+".away"), os.Symlink(victim, above))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.open(owner{12345, 12345, true}); err == nil || !strings.Contains(err.Error(), `option "location": `+above+`: it was replaced`) {
			t.Errorf("with %q there: %v", there, err)
		}
		_ = filepath.WalkDir(victim, func(path string, _ os.DirEntry, err error) error {
			info, statErr := os.Lstat(path)
			if err = errors.Join(err, statErr); err != nil {
				return err
			}
			if name, _ := filepath.Rel(victim, path); !strings.HasPrefix(filepath.Join(there, "."), name) && name != "." || info.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("with %q there: %s was made or given away: %v", there, path, info)
			}
			return nil
		})
	}
}

// What is made is the owner's, and goes again if nothing comes of it.
func TestMade(t *testing.T) {
	base := t.TempDir()
	own := owner{uid: os.Getuid(), gid: os.Getgid()}
	if os.Getuid() == 0 {
		own = owner{12345, 12345, true}
	}
	d := &directory{option: "location", path: filepath.Join(base, "a", "b", "data")}
	if err := errors.Join(d.check(), d.open(own)); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"a": 0o755, "a/b": 0o755, "a/b/data": 0o700} {
		info, err := os.Lstat(filepath.Join(base, name))
		if err != nil || info.Mode().Perm()&^mode != 0 || int(info.Sys().(*syscall.Stat_t).Uid) != own.uid {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if err := d.abandon(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) > 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}

func TestOwner(t *testing.T) {
	me := os.Getuid()
	if own, err := findOwner("", 1000); err != nil || own.give || own.uid != 1000 {
		t.Errorf("as an ordinary user: %+v %v", own, err)
	}
	if own, err := findOwner("1234:5678", 0); err != nil || own != (owner{1234, 5678, true}) {
		t.Errorf("numbers: %+v %v", own, err)
	}
	if own, err := findOwner(strconv.Itoa(me), me); me != 0 && (err != nil || own.uid != me) {
		t.Errorf("oneself: %+v %v", own, err)
	}
	for text, want := range map[string]string{
		"nosuchuser": "there is no user", "1234:nosuchgroup": "there is no group", "4294967296:1": "there is no user", "54321": "like 54321:54321", "-1:1": "there is no user",
		"root": "does not start as root", "0:0": "does not start as root",
	} {
		if own, err := findOwner(text, 0); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `option "owner"`) {
			t.Errorf("%s: %+v %v, want %q", text, own, err, want)
		}
	}
	if own, err := findOwner("root", 1000); err == nil || !strings.Contains(err.Error(), "only root") {
		t.Errorf("another one: %+v %v", own, err)
	}
}

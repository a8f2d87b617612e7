//go:build linux

package faults

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// base is a store with a physical snapshot of a cluster with a tablespace.
type base struct {
	store, snapshot string
}

// physicalBase makes it once for all.
func (st *stage) physicalBase() base {
	st.once.Do(func() {
		t := st.t
		server := harness.Start(t)
		server.Exec(t, "postgres", "CREATE TABLESPACE elsewhere LOCATION "+harness.Literal(server.Dir(t, "elsewhere")))
		server.Exec(t, "postgres", "CREATE TABLE big TABLESPACE elsewhere AS SELECT g, repeat(md5(g::text), 30) AS v FROM generate_series(1, 10000) g")
		p := harness.NewPlakar(t)
		p.SourceAdd("phys", "postgres+bin"+server.URL("")[len("postgres"):], server.BinDirOption())
		st.base = base{p.Store, p.MustBackup("@phys")}
	})
	return st.base
}

// dataDir is where the scene's physical restore goes, below a directory that everybody
// may pass through.
func (s *scene) dataDir() string {
	s.Helper()
	if s.directory == "" {
		place := harness.Reserve(s, s.stage.server.Major)
		s.directory = filepath.Join(place.Dir(s, "target"), "data")
	}
	return s.directory
}

// rebuild starts a physical restore.
func (s *scene) rebuild(options ...string) *harness.Process {
	s.Helper()
	b := s.stage.physicalBase()
	if s.snapshot == "" {
		s.plakar.Store, s.snapshot = b.store, b.snapshot
	}
	args := append([]string{"restore", "-to", "postgres+bin://" + s.dataDir()}, harness.OwnerOption(s)...)
	for _, o := range options {
		args = append(args, "-o", o)
	}
	return s.plakar.Start(append(args, s.snapshot)...)
}

// written waits until the restore has made an entry.
func (s *scene) written(name string) {
	s.Helper()
	s.until(name+" is there", eventually, func() bool {
		_, err := os.Lstat(filepath.Join(s.dataDir(), name))
		return err == nil
	})
}

// when runs a physical restore and breaks something when an entry is there.
func when(name string, act func(s *scene, run *harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		run := s.rebuild()
		s.written(name)
		act(s, run)
		return s.end(run)
	}
}

// onSmall runs a physical restore of which a part goes to a small file system.
func onSmall(bytes string, options func(dir string) []string) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		disk := filepath.Dir(s.dataDir()) // without a comma, unlike that of the test
		if options != nil {
			disk = filepath.Join(disk, "disk")
			must(s, os.Mkdir(disk, 0o700))
		}
		s.small(disk, bytes)
		dir := filepath.Join(disk, "part")
		if options == nil {
			return s.end(s.rebuild())
		}
		return s.end(s.rebuild(options(dir)...))
	}
}

// The outcomes of a physical restore.
var (
	notStartable = outcome{"what was written before; it cannot be started", (*scene).cannotStart}
	unnamed      = outcome{"everything but `global/pg_control`, which has another name; it cannot be started", func(s *scene) {
		s.Helper()
		if out, started := s.tryStart(); started {
			s.Errorf("the server starts on it:\n%s", out)
		}
	}}
	complete = outcome{"everything; it can be started", func(s *scene) {
		s.Helper()
		if out, started := s.tryStart(); !started {
			s.Errorf("the server does not start on it:\n%s", out)
		}
	}}
	completeOrNot = outcome{"everything, or all but `global/pg_control`, and then it cannot be started", func(s *scene) {
		s.Helper()
		_, err := os.Lstat(filepath.Join(s.dataDir(), "global", "pg_control"))
		if out, started := s.tryStart(); started != (err == nil) {
			s.Errorf("pg_control: %v, started: %t\n%s", err, started, out)
		}
	}}
	untouched = outcome{"nothing was written", func(s *scene) {
		s.Helper()
		if _, err := os.Lstat(s.dataDir()); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("%s was made", s.dataDir())
		}
	}}
	oneComplete = outcome{"the one is complete, the other has written nothing", func(s *scene) {
		s.Helper()
		if _, err := os.Lstat(filepath.Join(s.dataDir(), "global", "pg_control")); err != nil {
			s.Error(err)
		}
	}}
)

// cannotStart checks that no server can be started on what is left, and that this is said there.
func (s *scene) cannotStart() {
	s.Helper()
	dir := s.dataDir()
	if _, err := os.Lstat(filepath.Join(dir, "plakar-restore-incomplete")); err != nil {
		s.Errorf("nothing says that the restore did not end: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "global", "pg_control")); err == nil {
		s.Error("there is a pg_control")
	}
	if out, started := s.tryStart(); started {
		s.Errorf("the server starts on it:\n%s", out)
	}
}

// tryStart starts a server on what is left, and stops it again.
func (s *scene) tryStart() (output string, started bool) {
	s.Helper()
	dir := s.dataDir()
	info, err := os.Stat(dir)
	must(s, err)
	ctx, cancel := context.WithTimeout(context.Background(), eventually)
	defer cancel()
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, s.server.Tool("pg_ctl"), append(args, "-D", dir, "-w")...) //nolint:gosec // a tool
		if owner := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		}
		return cmd.CombinedOutput()
	}
	log := filepath.Join(filepath.Dir(dir), "start.log")
	out, err := run("start", "-l", log, "-o", "-c listen_addresses= -k "+filepath.Dir(dir))
	if ctx.Err() != nil {
		s.Fatalf("starting a server on %s: %v\n%s", dir, err, out)
	}
	if err != nil {
		text, _ := os.ReadFile(log) //nolint:gosec // ours
		return string(append(out, text...)), false
	}
	out, err = run("stop", "-m", "fast")
	if err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	return "", true
}

// damaged flips a byte in the largest file of a copy of the store: it holds content.
func (s *scene) damaged() {
	s.Helper()
	b := s.stage.physicalBase()
	store := filepath.Join(s.TempDir(), "store")
	must(s, os.CopyFS(store, os.DirFS(b.store)))
	largest, size := "", int64(0)
	must(s, filepath.WalkDir(store, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	}))
	f, err := os.OpenFile(largest, os.O_RDWR, 0) //nolint:gosec // ours
	must(s, err)
	one := make([]byte, 1)
	_, err = f.ReadAt(one, size/2)
	one[0] ^= 0xff
	_, errWrite := f.WriteAt(one, size/2)
	must(s, errors.Join(err, errWrite, f.Close()))
	s.plakar.Store, s.snapshot = store, b.snapshot
}

// readOnly makes a mounted file system read-only, which waits for a moment in which no
// file is open for writing.
func (s *scene) readOnly(dir string) {
	s.Helper()
	s.until(dir+" is read-only", eventually, func() bool {
		return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") == nil
	})
}

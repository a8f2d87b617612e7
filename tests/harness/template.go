package harness

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// templates serializes the making of templates within the process; the lock
// file does between processes.
var templates sync.Mutex

// template returns a data directory to copy, made once per machine by initdb
// and kept in .cache/template: a copy is much faster than initdb.
func template(binDir string, major int, args []string) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	cache := filepath.Join(Root(), ".cache", "template")
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // .cache also holds what others run
		return "", err
	}
	key, err := templateKey(binDir, args)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("%d-%s", major, key))
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, makeTemplate(binDir, dir, args)
}

// templateKey changes with everything that the data directory depends on.
func templateKey(binDir string, args []string) (string, error) {
	image, err := imageOf(binDir)
	if err != nil {
		return "", err
	}
	program := "postgres"
	if image != "" {
		program = "psql" // only the client tools have been copied out of it
	}
	info, err := os.Stat(filepath.Join(binDir, program))
	if err != nil {
		return "", err
	}
	who, err := serverOwner()
	if err != nil {
		return "", err
	}
	all := fmt.Sprint(image, binDir, info.Size(), info.ModTime().UnixNano(), who, DefaultPassword, strings.Join(args, "\x00"))
	return fmt.Sprintf("%x", sha256.Sum256([]byte(all)))[:16], nil
}

// makeTemplate runs initdb where the server's user can, and moves the result
// into the cache, which that user may not be able to reach.
func makeTemplate(binDir, dir string, args []string) error {
	temp, err := os.MkdirTemp("", "pgtest-initdb-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := giveAway(temp); err != nil {
		return err
	}
	data := filepath.Join(temp, "data")
	if err := initdb(binDir, data, args); err != nil {
		return err
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := copyTree(data, partial); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // within a data directory
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = io.Copy(out, in)
	return err
}

package physical

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many links a path may lead through, as in Linux.
const maxLinks = 40

// resolve follows the links in an absolute path, as far as it exists. For root, a link that
// another user made is an error: who owns a directory above could lead us anywhere.
func resolve(path string) (string, error) {
	resolved, rest := "/", strings.TrimPrefix(filepath.Clean(path), "/")
	for links := 0; rest != ""; {
		name, after, _ := strings.Cut(rest, "/")
		next := filepath.Join(resolved, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join(next, after), nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0:
			resolved, rest = next, after
			continue
		}
		if err := checkLink(next, info, os.Geteuid()); err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s leads through too many symbolic links", path)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(resolved, target)
		}
		resolved, rest = "/", strings.TrimPrefix(filepath.Join(target, after), "/")
	}
	return resolved, nil
}

// checkLink refuses a link that root had better not follow.
func checkLink(path string, info fs.FileInfo, euid int) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if euid != 0 || ok && stat.Uid == 0 {
		return nil
	}
	return fmt.Errorf("%s is a symbolic link that does not belong to root: give the directory that it leads to", path)
}

// checkApart refuses directories of which one is, or lies in, another one.
func checkApart(all []*directory) error {
	for i, a := range all {
		for _, b := range all[i+1:] {
			if inside(a.resolved, b.resolved) || inside(b.resolved, a.resolved) {
				return fmt.Errorf("options %q and %q: %s and %s are the same directory, or one is in the other: give each its own",
					a.option, b.option, a.path, b.path)
			}
		}
	}
	return nil
}

// inside reports whether path is dir or below it.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

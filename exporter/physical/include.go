package physical

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// mainConf is the configuration file of a server whose files are all in its data directory.
const mainConf = "postgresql.conf"

// maxInclude is how deep files may include others.
// Source: CONF_FILE_MAX_DEPTH in src/include/utils/conffiles.h
const maxInclude = 10

// maxIncluded is how many files are read: those of a snapshot may include one another.
const maxIncluded = 1000

// configuration is what a server reads from a file in its data directory and the ones that it
// includes.
type configuration struct {
	read     func(name string) ([]byte, error) // a file of the data directory, empty if there is none
	there    fs.FS                             // the data directory
	files    int                               // that were read
	settings map[string]string                 // by name, in lower case; the last one counts
	// elsewhere are the lines that include what did not come with the backup.
	elsewhere []string
}

// file reads a file.
func (c *configuration) file(name string, depth int) error {
	if c.files++; depth > maxInclude || c.files > maxIncluded {
		return nil // the server says it
	}
	text, err := c.read(name)
	if err != nil {
		return err
	}
	eachSetting(text, func(key, value string) {
		if key == "include" || key == "include_if_exists" || key == "include_dir" {
			err = cmp.Or(err, c.include(key, value, path.Dir(name), depth+1))
			return
		}
		c.settings[key] = value
	})
	return err
}

// include reads what a line includes, a path that is absolute or begins at the file's directory.
func (c *configuration) include(key, value, dir string, depth int) error {
	name := path.Join(dir, value)
	if path.IsAbs(value) || !fs.ValidPath(name) {
		c.lacks(key, value)
		return nil
	}
	names := []string{name}
	info, err := fs.Stat(c.there, name)
	switch {
	case err != nil && key == "include_if_exists":
		return nil //nolint:nilerr // as the server does
	case err != nil, info.IsDir() != (key == "include_dir"):
		c.lacks(key, value)
		return nil //nolint:nilerr // a warning says so
	case info.IsDir():
		names, err = confIn(c.there, name)
	}
	for _, name := range names {
		err = cmp.Or(err, c.file(name, depth))
	}
	return err
}

// confIn lists what include_dir reads of a directory, in its order.
// Source: GetConfFilesInDir in src/backend/utils/misc/conffiles.c
func confIn(there fs.FS, dir string) (names []string, err error) {
	entries, err := fs.ReadDir(there, dir)
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".conf") && !strings.HasPrefix(name, ".") {
			names = append(names, path.Join(dir, name))
		}
	}
	return names, err
}

// lacks notes a line, once.
func (c *configuration) lacks(key, value string) {
	if line := key + " " + quote(value); !slices.Contains(c.elsewhere, line) {
		c.elsewhere = append(c.elsewhere, line)
	}
}

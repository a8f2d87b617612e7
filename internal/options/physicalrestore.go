package options

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// PhysicalRestore holds the options of a restore into a data directory.
type PhysicalRestore struct {
	// Location is the data directory; see Directory.
	Location string `option:"location" doc:"the data directory: postgres+bin:///absolute/path, postgres+bin://./relative or postgres+bin://../relative"`
	// Owner is "user[:group]", names or numbers; see package exporter/physical on what
	// an empty one means.
	Owner string `option:"owner" unset:"as root postgres, else who runs it" doc:"user[:group], names or numbers, of everything that is written"`
	// Tablespaces are items of the form "which=directory"; see TablespaceMap.
	Tablespaces []string `option:"tablespaces" doc:"where tablespaces go, by name, OID or old location: name=/mnt/fast,16386=/mnt/slow; an empty directory each; inside the data directory otherwise"`
	// WALDir is where the WAL goes; "" is pg_wal in the data directory.
	WALDir string `option:"wal_dir" doc:"an empty directory for the WAL, to which pg_wal becomes a link"`
	RecoveryTarget
	// Settings is "safe" or "keep".
	Settings string `option:"settings" default:"safe" enum:"safe|keep" doc:"safe: archiving, synchronous and streaming replication, logical replication workers, cron jobs and recovery targets of the original are off in the copy; keep: as backed up"`
	// BinDir is where pg_waldump of the server's major version is; "" is where packages put it.
	BinDir string `option:"pg_bin_dir" unset:"where packages put it" doc:"directory with pg_waldump of the cluster's major version, which finds the last commit in the WAL"`
	// Quiet leaves out what tells how to start the directory. It is no option of the user's.
	Quiet bool

	Reporting
}

// DecodePhysicalRestore reads the settings of a physical exporter.
func DecodePhysicalRestore(settings map[string]string) (PhysicalRestore, error) {
	var o PhysicalRestore
	if err := decode(settings, &o); err != nil {
		return PhysicalRestore{}, err
	}
	_, errDirectory := o.Directory()
	_, errTablespaces := o.TablespaceMap()
	errWAL := checkAbsolute("wal_dir", o.WALDir)
	return o, errors.Join(errDirectory, errTablespaces, errWAL, checkAbsolute("pg_bin_dir", o.BinDir), o.RecoveryTarget.check())
}

// Directory is the data directory that Location names: absolute, or beginning with "./"
// or "../", which is relative to where plakar runs.
func (o *PhysicalRestore) Directory() (string, error) { return directory("postgres+bin", o.Location) }

// directory is the directory that a location names.
func directory(protocol, location string) (string, error) {
	_, path, ok := strings.Cut(location, ":")
	path = strings.TrimPrefix(path, "//")
	accepted := fmt.Sprintf("use %[1]s:///absolute/path, %[1]s://./relative or %[1]s://../relative", protocol)
	switch {
	case !ok || path == "":
		return "", fmt.Errorf("option \"location\": it names no directory: %s", accepted)
	case filepath.IsAbs(path), strings.HasPrefix(path, "./"), strings.HasPrefix(path, "../"), path == ".", path == "..":
		return filepath.Clean(path), nil
	}
	return "", fmt.Errorf("option \"location\": %q is not a path of a directory: %s\nhint: is a slash missing, for %s:///%s?", path, accepted, protocol, path)
}

// TablespaceMap returns the directories by what stands before "=": a tablespace's name,
// OID or old location.
func (o *PhysicalRestore) TablespaceMap() (map[string]string, error) {
	all := make(map[string]string, len(o.Tablespaces))
	for _, item := range o.Tablespaces {
		// The directory is absolute: the last "=/" is where it begins.
		at := strings.LastIndex(item, "=/")
		if at <= 0 {
			return nil, fmt.Errorf("option \"tablespaces\": %q is not accepted: use name=/directory, OID=/directory or /old/location=/directory", item)
		}
		which, directory := unquoteNames([]string{item[:at]})[0], filepath.Clean(item[at+1:])
		if _, twice := all[which]; twice {
			return nil, fmt.Errorf("option \"tablespaces\": %q is there twice: give one directory for it", which)
		}
		all[which] = directory
	}
	return all, nil
}

// checkAbsolute refuses a relative path: it would depend on where plakar, or the server,
// is started.
func checkAbsolute(option, path string) error {
	if path != "" && !filepath.IsAbs(path) {
		return invalidValue(Field{Name: option}, path, "an absolute path")
	}
	return nil
}

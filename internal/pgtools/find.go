package pgtools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// The client tools.
const (
	PgDump       = "pg_dump"
	PgDumpall    = "pg_dumpall"
	PgRestore    = "pg_restore"
	PgBasebackup = "pg_basebackup"
)

// Installation is a directory with client tools of one version.
type Installation struct {
	Dir     string
	Major   int    // 15
	Version string // "15.18"
}

// Path is the path of the named tool.
func (s Installation) Path(tool string) string { return filepath.Join(s.Dir, tool) }

// Major is the major version in a server_version_num: 15 for 150018. Releases
// before 10 all give 9.
// Source: https://www.postgresql.org/docs/18/libpq-status.html#LIBPQ-PQSERVERVERSION
func Major(versionNum int) int { return versionNum / 10000 }

// Find returns the tools to use with a server of the given major version: those in
// binDir if it is not empty, else the installed ones that fit best. Tools of the
// server's own major version are preferred, then the next newer ones. No tool
// older than the server fits, nor one older than atLeast (0: no such limit).
func Find(ctx context.Context, binDir string, serverMajor, atLeast int, tools ...string) (Installation, error) {
	sets, err := installed(ctx, binDir, tools)
	if err != nil {
		return Installation{}, err
	}
	if best, ok := choose(sets, max(serverMajor, atLeast)); ok {
		return best, nil
	}
	return Installation{}, noMatchError(sets, binDir, max(serverMajor, atLeast), tools[0])
}

// choose picks the oldest set that is not older than major.
func choose(sets []Installation, major int) (best Installation, ok bool) {
	for _, s := range sets {
		if s.Major >= major && (!ok || s.Major < best.Major) {
			best, ok = s, true
		}
	}
	return best, ok
}

// installed lists the sets that hold all the tools; an empty list is an error.
func installed(ctx context.Context, binDir string, tools []string) ([]Installation, error) {
	if binDir != "" {
		s, err := inspect(ctx, binDir, tools)
		if err != nil {
			return nil, fmt.Errorf("option \"pg_bin_dir\": %w", err)
		}
		return []Installation{s}, nil
	}
	var sets []Installation
	var errs []error
	for _, dir := range folders(tools[0]) {
		if _, err := os.Stat(filepath.Join(dir, tools[0])); err != nil {
			continue
		}
		s, err := inspect(ctx, dir, tools)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sets = append(sets, s)
	}
	if len(sets) == 0 {
		return nil, errors.Join(append(errs, fmt.Errorf("%s was not found\nhint: install the PostgreSQL client tools (Debian, Ubuntu: postgresql-client), or set pg_bin_dir to their directory", tools[0]))...)
	}
	return sets, nil
}

// directories are where packages put the client tools, PATH last: /usr/bin/pg_dump on
// Debian is a wrapper that may choose another version.
func folders(tool string) []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // RPM packages of the PGDG
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew, Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew, Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if path, err := proc.LookPath(tool); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// inspect asks the first tool for its version and checks that the others are there.
func inspect(ctx context.Context, dir string, tools []string) (Installation, error) {
	for _, tool := range tools[1:] {
		if _, err := os.Stat(filepath.Join(dir, tool)); err != nil {
			return Installation{}, fmt.Errorf("%s has %s but no %s", dir, tools[0], tool)
		}
	}
	out, err := proc.Output(ctx, proc.Command{
		Path: filepath.Join(dir, tools[0]), Args: []string{"--version"}, Env: append(os.Environ(), "LC_ALL=C"),
	})
	if err != nil {
		return Installation{}, fmt.Errorf("asking for the version: %w", err)
	}
	version, major, err := parseVersion(out)
	if err != nil {
		return Installation{}, fmt.Errorf("%s: %w", filepath.Join(dir, tools[0]), err)
	}
	return Installation{Dir: dir, Major: major, Version: version}, nil
}

// parseVersion reads "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", and
// "18beta1" in the number's place.
func parseVersion(out string) (version string, major int, err error) {
	_, after, found := strings.Cut(out, ") ")
	fields := strings.Fields(after)
	if !found || len(fields) == 0 {
		return "", 0, fmt.Errorf("its version is not readable in %q", strings.TrimSpace(out))
	}
	digits := len(fields[0]) - len(strings.TrimLeft(fields[0], "0123456789"))
	major, err = strconv.Atoi(fields[0][:digits])
	if err != nil {
		return "", 0, fmt.Errorf("its version is not readable in %q", strings.TrimSpace(out))
	}
	return fields[0], major, nil
}

func noMatchError(sets []Installation, binDir string, major int, tool string) error {
	var have []string
	for _, s := range sets {
		have = append(have, fmt.Sprintf("%s in %s", s.Version, s.Dir))
	}
	hint := fmt.Sprintf("install those of version %d or newer (Debian, Ubuntu: postgresql-client-%d), or set pg_bin_dir to their directory", major, major)
	if binDir != "" {
		hint = fmt.Sprintf("set pg_bin_dir to the directory of version %d or newer", major)
	}
	return fmt.Errorf("%s of version %d or newer is needed, found: %s\nhint: %s", tool, major, strings.Join(have, ", "), hint)
}

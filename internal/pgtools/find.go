package pgtools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// The client tools.
const (
	PgDump       = "pg_dump"
	PgDumpall    = "pg_dumpall"
	PgRestore    = "pg_restore"
	PgBasebackup = "pg_basebackup"
	PgWaldump    = "pg_waldump"
	PgAmcheck    = "pg_amcheck"
)

// The programs of a server.
const (
	Postgres      = "postgres"
	Initdb        = "initdb"
	PgCtl         = "pg_ctl"
	PgControldata = "pg_controldata"
)

// Installation is a directory with client tools of one version.
type Installation struct {
	Dir     string
	Major   int    // 15
	Version string // "15.18"
}

// Path is the path of the named tool.
func (s Installation) Path(tool string) string { return filepath.Join(s.Dir, tool) }

// Finder finds the client tools. It asks each program for its version once, and is safe
// for concurrent use.
type Finder struct {
	binDir string

	mu    sync.Mutex
	known map[string]Installation // by the path of the program that was asked
}

// NewFinder returns a Finder that looks into binDir or, if that is empty, wherever
// packages put the tools.
func NewFinder(binDir string) *Finder {
	return &Finder{binDir: binDir, known: make(map[string]Installation)}
}

// Find returns the tools to use with a server of the given major version: those in
// the Finder's directory, else the installed ones that fit best. Tools of the
// server's own major version are preferred, then the next newer ones. No tool
// older than the server fits, nor one older than atLeast (0: no such limit).
func (f *Finder) Find(ctx context.Context, serverMajor, atLeast int, tools ...string) (Installation, error) {
	sets, err := f.installed(ctx, tools)
	if err != nil {
		return Installation{}, err
	}
	if best, ok := choose(sets, max(serverMajor, atLeast)); ok {
		return best, nil
	}
	return Installation{}, noMatchError(sets, f.binDir, max(serverMajor, atLeast), tools[0])
}

// Find is Find of a Finder that is used once.
func Find(ctx context.Context, binDir string, serverMajor, atLeast int, tools ...string) (Installation, error) {
	return NewFinder(binDir).Find(ctx, serverMajor, atLeast, tools...)
}

// Installed lists the installations that have all the tools, the oldest version first. That
// there is none is an error.
func (f *Finder) Installed(ctx context.Context, tools ...string) ([]Installation, error) {
	sets, err := f.installed(ctx, tools)
	slices.SortFunc(sets, func(a, b Installation) int { return cmp.Compare(a.Major, b.Major) })
	return slices.CompactFunc(sets, func(a, b Installation) bool { return a.Major == b.Major }), err
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
func (f *Finder) installed(ctx context.Context, tools []string) ([]Installation, error) {
	if f.binDir != "" {
		s, err := f.inspect(ctx, f.binDir, tools)
		if err != nil {
			return nil, fmt.Errorf("option \"pg_bin_dir\": %w", err)
		}
		return []Installation{s}, nil
	}
	var sets []Installation
	var errs []error
	for _, dir := range directories(tools[0]) {
		if _, err := os.Stat(filepath.Join(dir, tools[0])); err != nil {
			continue
		}
		s, err := f.inspect(ctx, dir, tools)
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
func directories(tool string) []string {
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

// inspect checks that the tools are there and asks the first one for its version.
func (f *Finder) inspect(ctx context.Context, dir string, tools []string) (Installation, error) {
	for _, tool := range tools[1:] {
		if _, err := os.Stat(filepath.Join(dir, tool)); err != nil {
			return Installation{}, fmt.Errorf("%s has %s but no %s", dir, tools[0], tool)
		}
	}
	program := filepath.Join(dir, tools[0])
	f.mu.Lock()
	defer f.mu.Unlock()
	if found, asked := f.known[program]; asked {
		return found, nil
	}
	out, err := proc.Output(ctx, proc.Command{Path: program, Args: []string{"--version"}, Env: append(os.Environ(), "LC_ALL=C")})
	if err != nil {
		return Installation{}, fmt.Errorf("asking for the version: %w", err)
	}
	version, major, err := parseVersion(out)
	if err != nil {
		return Installation{}, fmt.Errorf("%s: %w", program, err)
	}
	f.known[program] = Installation{Dir: dir, Major: major, Version: version}
	return f.known[program], nil
}

// parseVersion reads "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", and
// "18beta1" in the number's place.
func parseVersion(out string) (version string, major int, err error) {
	_, after, _ := strings.Cut(out, ") ")
	version, _, _ = strings.Cut(strings.TrimSpace(after), " ")
	if major, err = pgversion.Major(version); err != nil {
		return "", 0, fmt.Errorf("its version is not readable in %q", strings.TrimSpace(out))
	}
	return version, major, nil
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

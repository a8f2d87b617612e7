package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// packages are Debian's packages of extensions and libraries by their names; %d is the major
// version. Elsewhere they have similar names.
var packages = map[string]string{
	"pg_cron": "postgresql-%d-cron", "postgis": "postgresql-%d-postgis-3", "postgis_topology": "postgresql-%d-postgis-3",
	"postgis_raster": "postgresql-%d-postgis-3", "vector": "postgresql-%d-pgvector", "timescaledb": "timescaledb-2-postgresql-%d",
	"pgaudit": "postgresql-%d-pgaudit", "pg_partman": "postgresql-%d-partman", "pg_partman_bgw": "postgresql-%d-partman",
	"hll": "postgresql-%d-hll", "citus": "postgresql-%d-citus", "pglogical": "postgresql-%d-pglogical",
	"pg_repack": "postgresql-%d-repack", "plperl": "postgresql-plperl-%d", "plperlu": "postgresql-plperl-%d",
	"plpython3u": "postgresql-plpython3-%d", "pltcl": "postgresql-pltcl-%d", "pg_squeeze": "postgresql-%d-squeeze",
	"pg_qualstats": "postgresql-%d-pg-qualstats", "pg_stat_kcache": "postgresql-%d-pg-stat-kcache", "set_user": "postgresql-%d-set-user",
	"wal2json": "postgresql-%d-wal2json", "rum": "postgresql-%d-rum", "h3": "postgresql-%d-h3", "hypopg": "postgresql-%d-hypopg",
}

// packageHint says which package has an extension or library, where that is known.
func packageHint(name string, major int) string {
	if p, known := packages[name]; known {
		return fmt.Sprintf(" (Debian, Ubuntu: %s)", fmt.Sprintf(p, major))
	}
	return ""
}

// missingLibrary matches what a server says of a library in shared_preload_libraries.
var missingLibrary = regexp.MustCompile(`could not (?:access file|load library) "([^"]+)"`)

// startWithout starts the server, and leaves out the libraries that are to be loaded with it
// and are missing here. It returns their names.
func (s *server) startWithout(ctx context.Context, all []setting, libraries []string) (missing []string, err error) {
	for {
		with := slices.Concat(all, []setting{{name: "shared_preload_libraries", value: strings.Join(libraries, ",")}})
		err := s.start(ctx, with)
		if !errors.Is(err, errEnded) {
			return missing, err
		}
		match := missingLibrary.FindStringSubmatch(err.Error())
		if match == nil {
			return missing, err
		}
		n := slices.IndexFunc(libraries, func(l string) bool { return libraryName(l) == libraryName(match[1]) })
		if n < 0 {
			return missing, err
		}
		missing = append(missing, libraryName(libraries[n]))
		libraries = slices.Delete(slices.Clone(libraries), n, n+1)
	}
}

// libraryName is the name of a library without quotes, directory and ending.
func libraryName(path string) string {
	name := strings.Trim(path, `"`)
	name = name[strings.LastIndex(name, "/")+1:]
	return strings.TrimSuffix(name, ".so")
}

// configuration chooses the configuration file: that of the backup, unless it has none or
// this machine's server does not take it (problem), and the libraries that it asks for.
func (s *server) configuration(ctx context.Context, settings func(config string) []setting) (config string, libraries []string, problem error) {
	config = s.ownConfig()
	if _, err := os.Lstat(config); err != nil {
		config = s.path(configName)
	}
	libraries, err := s.askLibraries(ctx, settings(config))
	if err != nil && config == s.ownConfig() {
		problem = fmt.Errorf("the backup's postgresql.conf cannot be used here, another one is used for the check: %w", err)
		config = s.path(configName)
		libraries, err = s.askLibraries(ctx, settings(config))
	}
	return config, libraries, errors.Join(problem, err)
}

// askLibraries asks what shared_preload_libraries is with the configuration, which loads none.
func (s *server) askLibraries(ctx context.Context, all []setting) ([]string, error) {
	args := append(arguments(s.path(dataName), s.tools.Major, all), "-C", "shared_preload_libraries")
	out, err := proc.Output(ctx, s.command("postgres", args...))
	if err != nil {
		return nil, err
	}
	var libraries []string
	for name := range strings.SplitSeq(strings.TrimSpace(out), ",") {
		if name = strings.TrimSpace(name); name != "" {
			libraries = append(libraries, name)
		}
	}
	return libraries, nil
}

package conninfo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgservicefile"
)

// readService returns the settings of the named service, and the file they came
// from. libpq looks into PGSERVICEFILE or ~/.pg_service.conf first, then into
// pg_service.conf in PGSYSCONFDIR, whose default on Debian is
// /etc/postgresql-common.
// Source: https://www.postgresql.org/docs/18/libpq-pgservice.html
func readService(name, file string, environ []string) (map[string]string, string, error) {
	if name == "" {
		return nil, "", nil
	}
	files := []string{file}
	if file == "" {
		files = serviceFiles(environ)
	}
	for _, path := range files {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		parsed, err := pgservicefile.ReadServicefile(path)
		if err != nil {
			return nil, "", fmt.Errorf("reading the service file %s: %w", path, err)
		}
		service, err := parsed.GetService(name)
		if err != nil {
			continue
		}
		for keyword := range service.Settings {
			if _, known := params[keyword]; !known {
				return nil, "", fmt.Errorf("service %q in %s: PostgreSQL does not know %s", name, path, parameter(keyword))
			}
		}
		return service.Settings, path, nil
	}
	return nil, "", fmt.Errorf("service %q is not defined in %s", name, strings.Join(files, " or "))
}

func serviceFiles(environ []string) []string {
	env := make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	user := env["PGSERVICEFILE"]
	if user == "" {
		user = filepath.Join(env["HOME"], ".pg_service.conf")
	}
	if dir := env["PGSYSCONFDIR"]; dir != "" {
		return []string{user, filepath.Join(dir, "pg_service.conf")}
	}
	return []string{user, "/etc/postgresql-common/pg_service.conf", "/etc/pg_service.conf"}
}

package check

import (
	"context"
	"fmt"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// needed are the programs that a proof runs.
func needed(level string) []string {
	tools := []string{pgtools.Postgres, pgtools.Initdb, pgtools.PgCtl, pgtools.PgControldata, pgtools.PgDump}
	if level == options.LevelAmcheck {
		tools = append(tools, pgtools.PgAmcheck)
	}
	return tools
}

// makeServer makes the scratch directory for a server of a major version, with other tools than those
// that every proof needs.
func (c *check) makeServer(ctx context.Context, major int, others ...string) error {
	tools, err := findServer(ctx, c.options, major, false, others...)
	if err != nil {
		return err
	}
	s, err := c.make()
	if err != nil {
		return err
	}
	c.server = &server{scratch: s, tools: tools}
	return nil
}

// findServer finds the programs of a server of a major version, or with newer of the next
// newer one that is installed, with other tools than those that every proof needs.
func findServer(ctx context.Context, o *options.Check, major int, newer bool, others ...string) (pgtools.Installation, error) {
	found, err := pgtools.Find(ctx, o.PgBinDir, major, 0, append(needed(o.Level), others...)...)
	switch {
	case err != nil && o.PgBinDir != "":
		return found, fmt.Errorf("the snapshot needs a server of PostgreSQL %d: %w", major, err)
	case err != nil:
		return found, fmt.Errorf("the snapshot needs the programs of a PostgreSQL %d server, which are not installed here%s", major, installHint(o, major))
	case found.Major != major && !newer:
		return found, fmt.Errorf("the snapshot needs the programs of a PostgreSQL %d server; those in %s are of version %s%s", major, found.Dir, found.Version, installHint(o, major))
	}
	return found, nil
}

func installHint(o *options.Check, major int) string {
	if o.PgBinDir != "" {
		return fmt.Sprintf("\nhint: set pg_bin_dir to a directory with those of version %d", major)
	}
	return fmt.Sprintf("\nhint: install them (Debian, Ubuntu: postgresql-%[1]d; RPM packages of the PGDG: postgresql%[1]d-server and postgresql%[1]d-contrib), or set pg_bin_dir to their directory", major)
}

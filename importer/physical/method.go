package physical

import (
	"context"
	"fmt"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// method is how the server is asked for the backup.
type method struct {
	protocol bool                 // by BASE_BACKUP over our own connection
	tool     pgtools.Installation // has pg_basebackup, which asks otherwise
}

// chooseMethod follows the option, and takes the replication protocol where that is free
// to choose: pg_basebackup does not write tablespaces to a stream, and tells what the
// server leaves out in the words of its language only.
func (i *Importer) chooseMethod(ctx context.Context, s *server) (method, error) {
	capable := s.conn.Major() >= replication.MinMajor
	switch {
	case i.options.Method == options.MethodProtocol && !capable:
		return method{}, fmt.Errorf("option \"method\": the server at %s is PostgreSQL %s, protocol needs PostgreSQL %d or later\nhint: use %s or %s",
			i.Origin(), s.conn.Version(), replication.MinMajor, options.MethodAuto, options.MethodTool)
	case i.options.Method != options.MethodTool && capable:
		return method{protocol: true}, nil
	}
	tool, err := i.findTool(ctx, s)
	return method{tool: tool}, err
}

// findTool finds pg_basebackup.
func (i *Importer) findTool(ctx context.Context, s *server) (pgtools.Installation, error) {
	switch {
	case s.tablespaces && s.conn.Major() >= replication.MinMajor:
		return pgtools.Installation{}, fmt.Errorf("option \"method\": the server at %s has tablespaces, which pg_basebackup does not write to a stream\nhint: use %s or %s",
			i.Origin(), options.MethodAuto, options.MethodProtocol)
	case s.tablespaces:
		return pgtools.Installation{}, fmt.Errorf("the server at %s is PostgreSQL %s and has tablespaces: a physical backup of them needs PostgreSQL %d or later\nhint: use postgres:// for a logical backup",
			i.Origin(), s.conn.Version(), replication.MinMajor)
	}
	tool, err := pgtools.Find(ctx, i.options.PgBinDir, s.conn.Major(), 0, pgtools.PgBasebackup)
	if err != nil {
		return pgtools.Installation{}, fmt.Errorf("the server at %s is PostgreSQL %s: %w", i.Origin(), s.conn.Version(), err)
	}
	return tool, nil
}

// summary is the options of the backup for the manifest.
func (m method) summary(o *options.Physical) map[string]any {
	all := o.Summary()
	all["method"] = "pg_basebackup"
	if m.protocol {
		all["method"] = "BASE_BACKUP"
	}
	return all
}

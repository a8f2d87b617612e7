package physical

import (
	"context"
	"fmt"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// baseArchive is the name of the archive with the data directory.
const baseArchive = "base.tar"

// archives are the parts of a base backup, wherever they come from.
type archives interface {
	// Next returns the next archive, or io.EOF when the backup is complete. What
	// was not read of the current one is skipped.
	Next() (replication.Archive, error)
}

// stream is a running base backup.
type stream struct {
	archives
	tablespaces []replication.Tablespace
	close       func() error
}

// start asks the server for a base backup.
func (i *Importer) start(ctx context.Context, s *server, tool pgtools.Installation) (*stream, error) {
	if s.usesReplicationProtocol() {
		rate, err := i.options.MaxRateKB()
		if err != nil {
			return nil, err
		}
		backup, err := s.conn.BaseBackup(ctx, replication.Options{
			Label: backupLabel, Checkpoint: i.options.Checkpoint, MaxRate: rate,
		})
		if err != nil {
			return nil, err
		}
		return &stream{archives: backup, tablespaces: backup.Tablespaces, close: func() error { return nil }}, nil
	}
	s.conn.Idle()
	t := i.runTool(ctx, s, tool)
	return &stream{archives: t, close: t.Close}, nil
}

const backupLabel = "plakar"

// findTool finds pg_basebackup.
func (i *Importer) findTool(ctx context.Context, s *server) (pgtools.Installation, error) {
	if s.tablespaces {
		return pgtools.Installation{}, fmt.Errorf("the server at %s is PostgreSQL %s and has tablespaces: a physical backup of them needs PostgreSQL %d or later\nhint: use postgres:// for a logical backup",
			i.Origin(), s.conn.Version(), replication.MinMajor)
	}
	tool, err := pgtools.Find(ctx, i.options.PgBinDir, s.conn.Major(), 0, pgtools.PgBasebackup)
	if err != nil {
		return pgtools.Installation{}, fmt.Errorf("the server at %s is PostgreSQL %s: %w", i.Origin(), s.conn.Version(), err)
	}
	return tool, nil
}

var _ archives = (*replication.Backup)(nil)

// summary is the options of the backup for the manifest.
func summary(o *options.Physical, s *server) map[string]any {
	all := o.Summary()
	all["method"] = "pg_basebackup"
	if s.usesReplicationProtocol() {
		all["method"] = "BASE_BACKUP"
	}
	return all
}

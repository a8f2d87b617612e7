package physical

import (
	"context"

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
	omissions   *omissions
}

// start asks the server for a base backup.
func (i *Importer) start(ctx context.Context, s *server, m method) (*stream, error) {
	if !m.protocol {
		s.conn.Idle(ctx)
		s.tool = i.runTool(ctx, s, m.tool)
		return &stream{archives: s.tool, omissions: &s.tool.omissions}, nil
	}
	rate, err := i.options.MaxRateKB()
	if err != nil {
		return nil, err
	}
	omitted := &omissions{certain: true}
	backup, err := s.conn.BaseBackup(ctx, replication.Options{
		Label: backupLabel, Checkpoint: i.options.Checkpoint, MaxRate: rate, OnOmission: omitted.add,
	})
	if err != nil {
		return nil, err
	}
	return &stream{archives: backup, tablespaces: backup.Tablespaces, omissions: omitted}, nil
}

const backupLabel = "plakar"

var _ archives = (*replication.Backup)(nil)

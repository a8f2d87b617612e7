package physical

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// firstWithManifest is the first major version that sends a backup manifest.
const firstWithManifest = 13

// Backup implements plugin.Source.
func (i *Importer) Backup(ctx context.Context, emit func(*connectors.Record) error) (err error) {
	// plakar may read the manifest when all else is done.
	manifestCtx, stopManifest := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			stopManifest()
		}
	}()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := i.look(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	m, err := i.chooseMethod(ctx, s)
	if err != nil {
		return err
	}
	s.reserveWAL(ctx)
	required := s.conn.Major() >= firstWithManifest
	if !required {
		s.warn(fmt.Sprintf("PostgreSQL %s sends no backup manifest: the files could not be verified", s.conn.Version()))
	}
	started := time.Now()
	backup, err := i.start(ctx, s, m)
	if err != nil {
		return err
	}
	out := newRecordEmitter(ctx, emit, spool.New(i.spooled, uint64(i.options.SpoolSize), spool.Memory(i.options.SpoolDir)), s.systemID, backup.tablespaces)
	out.config = s.config
	reporter := progress.New(i.options.Progress)
	defer reporter.Close()
	if i.options.Progress > 0 {
		reporter.Start(ctx, s.operation(ctx, &out.received))
	}
	if err := out.run(backup); err != nil {
		return err
	}
	s.warnConfig(out.config)
	if err := errors.Join(s.judge(backup.omissions, out), out.check.verdict(required)); err != nil {
		return err
	}
	base, err := s.base(ctx, out.check.ranges)
	if err != nil {
		return err
	}
	record := i.manifestRecord(manifestCtx, s, m, started, base)
	record.FileInfo.Lmode = fs.FileMode(out.mode(0o640)) // #nosec G115 -- 9 bits
	return emit(record)
}

// manifestRecord is the record of manifest.json. It comes last, because plakar opens
// records in the order in which they come, and where the backup ends is known only then.
func (i *Importer) manifestRecord(ctx context.Context, s *server, m method, started time.Time, base *manifest.Base) *connectors.Record {
	request := manifest.Request{
		Header: manifest.Header{
			CreatedAt: started, Connector: i.protocol, Host: s.info.Host(), Port: s.info.Port(),
			DumpFormat: "basebackup", Base: base, PgBasebackupVersion: m.tool.Version,
			ServerVersion: s.conn.Version(), SystemIdentifier: s.systemID,
			Options: m.summary(&i.options), Warnings: s.warnings,
		},
		Maintenance: s.maintenance, Databases: s.databases, Jobs: 1,
	}
	content := manifest.NewReader(ctx, func(ctx context.Context, w io.Writer) error {
		err := manifest.Write(ctx, w, s.info, request)
		if ctx.Err() != nil {
			return plugin.ErrAborted
		}
		return err
	})
	return &connectors.Record{Pathname: recordname.Manifest, Reader: content, FileInfo: objects.FileInfo{
		Lname: recordname.Manifest[1:], Lsize: -1, LmodTime: started, Lnlink: 1,
		Luid: uint64(os.Getuid()), Lgid: uint64(os.Getgid()), // #nosec G115 -- not negative on Unix
	}}
}

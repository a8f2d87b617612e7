package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/PlakarKorp/integration-postgresql/exporter/physical"
	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// versionPath is the path of the file that has the major version, the first one of a
// physical snapshot.
const versionPath = "/PG_VERSION"

// maxVersion is how long it may be, in bytes.
const maxVersion = 64

// spare is the room for what a server writes while it recovers and is read, in bytes.
const spare = 64 << 20

// physicalWay restores a data directory and starts it.
type physicalWay struct {
	*check
	target *physical.Exporter
	began  time.Time
	wal    bool // is restored into the directory, which holds a base backup
	limits limits
}

// newPhysicalWay looks for the server's programs, and makes the scratch directory when they are
// there.
func newPhysicalWay(ctx context.Context, c *check, first *record) (way, error) {
	if first.Pathname != versionPath || first.content == nil {
		return nil, fmt.Errorf("the snapshot begins with %q: a check takes a whole snapshot of postgres+bin:// or postgres://, without a path behind it", first.Pathname)
	}
	text, err := io.ReadAll(io.LimitReader(first.content, maxVersion))
	if err != nil {
		return nil, err
	}
	first.content = bytes.NewReader(text)
	major, err := pgversion.Major(string(text))
	if err != nil {
		return nil, err
	}
	if major < firstMajor {
		return nil, fmt.Errorf("the snapshot is of PostgreSQL %s: a check needs version %d or newer", bytes.TrimSpace(text), firstMajor)
	}
	if err := c.makeServer(ctx, major); err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("restoring into %s, for PostgreSQL %s", c.server.dir, c.server.tools.Version))
	p := &physicalWay{check: c, began: time.Now()}
	if err := p.open(); err != nil {
		return nil, err
	}
	return p, nil
}

// open opens the restore into the scratch directory.
func (p *physicalWay) open() error {
	s := p.server
	settings := p.options.RecoveryTarget.Settings()
	settings["location"], settings["pg_bin_dir"] = "postgres+bin://"+s.path(dataName), s.tools.Dir
	if s.as != nil {
		settings["owner"] = fmt.Sprintf("%d:%d", s.user.UID, s.user.GID)
	}
	target, err := physical.New("postgres+bin", settings, nil)
	if err != nil {
		return err
	}
	p.target = target.(*physical.Exporter)
	p.target.SetQuiet()
	return nil
}

func (p *physicalWay) restore(ctx context.Context, r *record) error {
	if err := p.target.Restore(ctx, r.Record, r.content, r.ack); err != nil {
		return err
	}
	if r.Pathname != "/"+replication.ManifestName || p.wal {
		return nil
	}
	// It comes before what takes room.
	var size sizes
	f, err := os.Open(p.server.path(dataName + r.Pathname))
	if err != nil {
		return err
	}
	err = backupmanifest.Read(f, &size)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	text, err := p.server.checkRoom(size.bytes + spare)
	if err == nil {
		slog.Info(text)
	}
	return err
}

// sizes adds up the sizes in a backup manifest.
type sizes struct{ bytes uint64 }

// File implements backupmanifest.Handler.
func (s *sizes) File(f backupmanifest.File) {
	if f.Size != nil && *f.Size > 0 && s.bytes < math.MaxInt64 {
		s.bytes += uint64(*f.Size) // #nosec G115 -- not negative
	}
}

// SystemIdentifier implements backupmanifest.Handler.
func (s *sizes) SystemIdentifier(string) {}

// WALRanges implements backupmanifest.Handler: the WAL comes in whole segments.
func (s *sizes) WALRanges(all []backupmanifest.WALRange) {
	const segments = 2 * 16 << 20 // the first and the last one, of the usual size
	for _, r := range all {
		s.bytes += segments
		if start, end := position(fmt.Sprint(r.Start)), position(fmt.Sprint(r.End)); end > start {
			s.bytes += end - start
		}
	}
}

// position reads a position in the WAL, like "16/B374D848"; 0 if it is none.
func position(text string) uint64 {
	var high, low uint32
	if _, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil {
		return 0
	}
	return uint64(high)<<32 | uint64(low)
}

// complete ends the restore.
func (p *physicalWay) complete(ctx context.Context) error {
	if err := p.target.Finish(ctx); err != nil {
		return err
	}
	if err := p.target.Close(ctx); err != nil {
		return err
	}
	p.report.step("restore", p.began)
	return nil
}

func (p *physicalWay) finish(ctx context.Context) (*check, error) {
	if err := p.complete(ctx); err != nil {
		return nil, err
	}
	if err := p.serve(ctx); err != nil {
		return nil, err
	}
	ctx, done := p.server.alive(ctx)
	defer done()
	roles, databases := superusers(p.report.document)
	if err := p.server.dial(ctx, roles, databases); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return p.check, p.recovered(ctx)
}

// serve starts the server, which recovers.
func (p *physicalWay) serve(ctx context.Context) error {
	began := time.Now()
	defer func() { p.report.step("start", began) }()
	s := p.server
	if err := s.prepareFiles(); err != nil {
		return err
	}
	var err error
	if p.limits, err = s.findLimits(ctx); err != nil {
		return err
	}
	settings := func(config string) []setting { return settingsOf(s.scratch, config, p.options.Jobs, p.limits) }
	config, libraries, problem := s.configuration(ctx, settings)
	p.report.problem(problem)
	where := "generated"
	if config == s.ownConfig() {
		where = "backup"
	}
	p.report.Configuration = &where
	slog.Info(fmt.Sprintf("starting PostgreSQL %s, which recovers", s.tools.Version))
	missing, err := s.startWithout(ctx, settings(config), libraries)
	for _, name := range missing {
		p.report.problem(fmt.Errorf("shared_preload_libraries asks for %q, which is not installed on this machine%s: the server was started without", name, packageHint(name, s.tools.Major)))
	}
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	return nil
}

func (p *physicalWay) compare(ctx context.Context, database string, found *content, d *Database) error {
	estimates(p.report.document, d)
	err := p.checkFiles(ctx, database, p.limits)
	if p.options.Level == options.LevelAmcheck {
		err = errors.Join(err, p.server.countByIndex(ctx, database, found))
	}
	return err
}

func (p *physicalWay) abort() { p.target.Abort() }

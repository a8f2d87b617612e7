package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// newWALWay takes the base backup that waits for WAL: from now on it goes with the check.
func newWALWay(ctx context.Context, c *check, base *prepared) (way, error) {
	if err := c.makeServer(ctx, base.Major, pgtools.PgWaldump); err != nil {
		return nil, err
	}
	c.report.Base = &base.Snapshot
	slog.Info(fmt.Sprintf("adding WAL in %s to %s, for PostgreSQL %s", c.server.dir, base, c.server.tools.Version))
	p := &physicalWay{check: c, began: time.Now(), wal: true}
	if err := p.open(); err != nil {
		return nil, err
	}
	var err error
	if c.report.document, err = c.server.readManifest(); err != nil {
		return nil, fmt.Errorf("the prepared base backup: %w", err)
	}
	return p, nil
}

// readManifest reads the manifest.json of a restored base backup, and follows no link out of the
// directory, which its owner could have made meanwhile.
func (s *scratch) readManifest() (*manifest.Document, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	text, err := root.ReadFile(dataName + recordname.Manifest)
	if err != nil {
		return nil, err
	}
	return manifest.Read(bytes.NewReader(text))
}

// prepare ends the restore of a base backup, which waits for its WAL.
func (e *Exporter) prepare(ctx context.Context) error {
	p, isPhysical := e.way.(*physicalWay)
	if !isPhysical {
		return errors.New("option \"prepare\": it is for a base backup")
	}
	if err := p.complete(ctx); err != nil || len(e.report.Problems) > 0 || ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	b := prepared{Version: preparedVersion, Major: p.server.tools.Major, Prepared: time.Now().UTC(), Snapshot: e.report.Snapshot}
	if err := e.scratch.setAside(&b); err != nil {
		return err
	}
	e.scratch = nil
	e.waits = fmt.Sprintf("PREPARED, and nothing is checked yet: %s\n  its WAL goes to the same destination: %s\n", &b, e.command("[-o target_time=...] WAL"))
	return nil
}

// recovered notes how far the server recovered, and whether that is all of the WAL where no
// target was given: a server takes what is damaged for its end. (With a target, it does not start
// before that is reached.)
func (p *physicalWay) recovered(ctx context.Context) error {
	planned := p.target.Recovery()
	if planned == nil {
		return nil
	}
	r := &Recovery{Timeline: planned.Timeline}
	if text := p.options.RecoveryTarget.Text(); text != "" {
		r.Target = &text
	}
	p.report.Recovery = r
	err := p.server.query(ctx, p.server.info.ConnectsTo(), "SELECT pg_catalog.pg_last_wal_replay_lsn()::text, pg_catalog.pg_last_xact_replay_timestamp()",
		func(rows pgx.Rows) error { return rows.Scan(&r.LSN, &r.Time) })
	if err != nil {
		return fmt.Errorf("asking how far the server recovered: %w", err)
	}
	if r.LSN == nil {
		return errors.New("the server does not say how far it recovered")
	}
	if r.Time != nil {
		*r.Time = r.Time.UTC()
	}
	reached, err := wal.ParseLSN(*r.LSN)
	if err != nil {
		return err
	}
	return missing(reached, planned.End, planned.SegmentSize)
}

// smallestPage is the smallest size that a page of the WAL can have, in bytes.
const smallestPage = 1 << 10

// missing says whether a server that has recovered to one position should have come to another
// one. A snapshot may end within a record, which does not count: then it ends with a page, for
// PostgreSQL writes whole records, or whole pages.
func missing(reached, end wal.LSN, segmentSize uint64) error {
	inRecord := end%smallestPage == 0
	if reached >= end || inRecord && uint64(end-reached) <= segmentSize {
		return nil
	}
	return fmt.Errorf("the server recovered to %s only, and the WAL reaches to %s: what is behind is damaged, for a server takes that for the end of the WAL", reached, end)
}

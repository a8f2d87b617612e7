package physical

import (
	"context"
	"fmt"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// base is where the backup that has just ended lies in the WAL; nil when the server
// sent no backup manifest, which has it.
func (s *server) base(ctx context.Context, ranges []backupmanifest.WALRange) (*manifest.Base, error) {
	base, err := baseOf(ranges)
	if base == nil || err != nil {
		return nil, err
	}
	if s.maintenance == "" || !s.catalogsRead {
		return base, nil
	}
	now, err := s.clock(ctx)
	if err != nil {
		s.warn("the server's clock could not be read: " + err.Error())
		return base, nil //nolint:nilerr // a warning says so
	}
	base.EndTime = &now
	return base, nil
}

// clock asks the server what time it is.
func (s *server) clock(ctx context.Context) (now time.Time, err error) {
	conn, err := s.info.Connect(ctx, s.maintenance)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&now)
	return now.UTC(), err
}

// baseOf joins the ranges, of which a standby that changed its timeline in mid-backup
// has several. The server lists the newest first; nothing here depends on it.
func baseOf(ranges []backupmanifest.WALRange) (*manifest.Base, error) {
	var base *manifest.Base
	var first, last wal.LSN
	for _, r := range ranges {
		start, err := wal.ParseLSN(r.Start)
		if err != nil {
			return nil, fmt.Errorf("where the backup begins: %w", err)
		}
		end, err := wal.ParseLSN(r.End)
		if err != nil {
			return nil, fmt.Errorf("where the backup ends: %w", err)
		}
		if base == nil {
			base, first = new(manifest.Base), start+1
		}
		if start < first {
			base.StartLSN, first = r.Start, start
		}
		if end >= last {
			base.EndLSN, base.Timeline, last = r.End, r.Timeline, end
		}
	}
	return base, nil
}

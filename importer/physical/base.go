package physical

import (
	"context"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
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

// baseOf is the span of the ranges.
func baseOf(ranges []backupmanifest.WALRange) (*manifest.Base, error) {
	span, err := backupmanifest.Span(ranges)
	if span == nil || err != nil {
		return nil, err
	}
	return &manifest.Base{StartLSN: span.Start, EndLSN: span.End, Timeline: span.Timeline}, nil
}

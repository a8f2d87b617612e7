package logical

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// maxStatistics is how large pg_statistic may be for its content to go into a dump, in
// bytes: it is a part of the table of contents, which a restore holds in memory.
const maxStatistics = 128 << 20

// statisticsArgs returns what lets pg_dump write the planner's statistics of a database.
// The server is asked at the first call, if at all.
func (i *Importer) statisticsArgs(ctx context.Context, s *server, tools pgtools.Installation, database string) func() []string {
	args := pgtools.StatisticsArgs(&i.options, tools.Major)
	return sync.OnceValue(func() []string {
		if args == nil {
			return nil
		}
		var size int64
		conn, err := s.info.Connect(ctx, database)
		if err == nil {
			defer closeConn(ctx, conn)
			err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_total_relation_size('pg_catalog.pg_statistic')").Scan(&size)
		}
		switch {
		case err != nil:
			return nil // pg_dump will say why
		case size > maxStatistics:
			slog.Warn(fmt.Sprintf("database %q: its %d MiB of statistics for the planner are not saved, as a dump with more than %d MiB of them takes too much memory to restore", database, size>>20, maxStatistics>>20))
			return nil
		}
		return args
	})
}

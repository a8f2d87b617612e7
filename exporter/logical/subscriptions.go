package logical

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// dropSubscriptions drops those that pg_restore --clean would drop, which would drop the
// publisher's slots.
func (r *runner) dropSubscriptions(ctx context.Context, a *archive, info conninfo.Info, what pgtools.Restore) error {
	names := subscriptionsIn(a, &r.options)
	if !what.Clean || len(names) == 0 {
		return nil
	}
	return target.DropSubscriptions(ctx, r.server, info.ConnectsTo(), names)
}

// subscriptionsIn are the subscriptions that the archive would restore.
func subscriptionsIn(a *archive, o *options.Export) (names []string) {
	if o.DataOnly || len(o.Schemas)+len(o.Tables) > 0 {
		return nil
	}
	for n := range a.toc.Entries {
		if a.toc.Entries[n].Desc == "SUBSCRIPTION" {
			names = append(names, a.toc.Entries[n].Tag)
		}
	}
	return names
}

// warnOfSubscriptions says what it takes to drop a restored subscription.
func (r *runner) warnOfSubscriptions(a *archive, database string) {
	if names := subscriptionsIn(a, &r.options); len(names) > 0 {
		slog.Warn(fmt.Sprintf("database %q: the subscriptions that were restored (%s) are disabled, and name the replication slots of those that were saved: dropping one drops the slot at the publisher, and enabling one takes it over; ALTER SUBSCRIPTION ... SET (slot_name = NONE) comes before a DROP SUBSCRIPTION that leaves the slot alone",
			database, strings.Join(names, ", ")))
	}
}

package target

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
)

// maxName is the length of a name, in bytes.
// Source: NAMEDATALEN in src/include/pg_config_manual.h, less the byte that ends it
const maxName = 63

// beforeName is what a database is called that a user may want to have back: no sweep matches it.
func beforeName(name string) string {
	suffix := "_before_" + time.Now().UTC().Format("20060102T150405Z")
	if len(name) > maxName-len(suffix) {
		// Other databases may have the same beginning.
		suffix = "_" + strings.ToLower(rand.Text()[:4]) + suffix
	}
	for len(name) > maxName-len(suffix) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + suffix
}

// sayKept says under which name the old database is there, and what of it is still at work, or was before.
func (r *Replacement) sayKept(ctx context.Context, session *server.Session, name string) {
	slog.Info(fmt.Sprintf("the database that was called %q is there as %q", name, r.away))
	if len(r.disabled) > 0 {
		slog.Warn(fmt.Sprintf("database %q: its subscriptions are disabled (%s): dropping one drops the slot at the publisher, unless ALTER SUBSCRIPTION ... SET (slot_name = NONE) comes first", r.away, quoted(r.disabled)))
	}
	slots, err := names(ctx, session.Conn(), "SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE datoid = $1 ORDER BY 1", r.old.oid)
	switch {
	case err != nil:
		slog.Warn(fmt.Sprintf("database %q: whether it has logical replication slots is not known: %v", r.away, err))
	case len(slots) > 0:
		slog.Warn(fmt.Sprintf("database %q: its logical replication slots (%s) stay with it, and keep WAL until they are read or dropped: SELECT pg_drop_replication_slot(...); who reads changes of %q needs new ones", r.away, quoted(slots), name))
	}
}

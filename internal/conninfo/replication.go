package conninfo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/settings"
)

// ForReplication names the database that libpq looks up in ~/.pgpass for
// connections that are to no database, as pg_basebackup's are.
func (i Info) ForReplication() Info {
	i = i.WithDatabase("replication")
	i.replication = true
	return i
}

// DialReplication finds the server as Dial does, for a physical replication
// connection. That one is to no database and understands replication commands
// only; its warnings are logged. The Info returned names the server's host, by its address too.
func (i Info) DialReplication(ctx context.Context) (Info, *pgconn.PgConn, error) {
	var errs []error
	for _, host := range i.candidates() {
		conn, err := host.connectReplication(ctx)
		if err == nil {
			return host.pin(conn.Conn().RemoteAddr()), conn, nil
		}
		errs = append(errs, fmt.Errorf("connecting for replication to %s: %w", host.Origin(), reason(err)))
	}
	return Info{}, nil, errors.Join(errs...)
}

// connectReplication gives the session the settings of a recent server or, if that knows
// less, or a pooler is in between, fewer.
func (i Info) connectReplication(ctx context.Context) (*pgconn.PgConn, error) {
	i = i.ForReplication()
	recent := i
	recent.facts = &facts{pinned: settings.Pinned}
	conn, err := recent.connectWalsender(ctx)
	if isCode(err, pgerrcode.UndefinedObject) {
		conn, err = i.connectWalsender(ctx)
	}
	if refusesOptions(err) {
		conn, err = i.withoutOptions().connectWalsender(ctx)
	}
	return conn, err
}

func (i Info) connectWalsender(ctx context.Context) (*pgconn.PgConn, error) {
	cfg, err := i.Config(ctx)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["replication"] = "true"
	cfg.ValidateConnect = i.validateSession
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			slog.Warn("the server at " + i.Origin() + ": " + strings.ToValidUTF8(n.Message, "\uFFFD"))
		}
	}
	return pgconn.ConnectConfig(ctx, &cfg.Config)
}

// validateSession is target_session_attrs by what the server reports by itself
// (14 and later): pgx would ask with SQL, which such a connection does not speak.
func (i Info) validateSession(_ context.Context, conn *pgconn.PgConn) error {
	standby := conn.ParameterStatus("in_hot_standby") == "on"
	readOnly := standby || conn.ParameterStatus("default_transaction_read_only") == "on"
	want := i.keywords["target_session_attrs"]
	switch {
	case want == "standby" && !standby, want == "primary" && standby,
		want == "read-only" && !readOnly, want == "read-write" && readOnly:
		return fmt.Errorf("the server is not %s, as target_session_attrs demands", want)
	}
	return nil
}

package replication

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
)

// idleInterval is shorter than any sensible idle_session_timeout, in which the server
// would end the session that holds the slot.
const idleInterval = 5 * time.Second

// Conn is a physical replication connection. Its methods must not be called at
// the same time.
type Conn struct {
	pg     *pgconn.PgConn
	backup *Backup    // nil before BaseBackup
	stream *WALStream // the last one; nil before StreamWAL

	stopIdle context.CancelFunc // nil unless idling
	idle     sync.WaitGroup
}

// New takes over a connection that was made with replication=true.
func New(pg *pgconn.PgConn) *Conn { return &Conn{pg: pg} }

// Version is the server's version as it names it, "15.13 (Debian 15.13-1)".
func (c *Conn) Version() string { return c.pg.ParameterStatus("server_version") }

// Major is the server's major version; 0 if it cannot be told.
func (c *Conn) Major() int {
	major, _ := pgversion.Major(c.Version())
	return major
}

// SystemID returns the cluster's system identifier. Every replication role may
// ask for it here, unlike with SQL.
func (c *Conn) SystemID(ctx context.Context) (string, error) {
	row, err := c.row(ctx, "IDENTIFY_SYSTEM", 1)
	if err != nil {
		return "", fmt.Errorf("identifying the server: %w", err)
	}
	return row[0], nil
}

// ReserveWAL makes a temporary physical slot, which keeps all WAL from the last
// checkpoint on until the connection is closed.
func (c *Conn) ReserveWAL(ctx context.Context) error {
	name := "plakar_" + strings.ToLower(rand.Text())
	_, err := c.pg.Exec(ctx, "CREATE_REPLICATION_SLOT "+name+" TEMPORARY PHYSICAL RESERVE_WAL").ReadAll()
	if err != nil {
		return fmt.Errorf("creating a temporary replication slot: %w", err)
	}
	return nil
}

// Idle keeps the connection, and with it the slot, alive until Close or the end of ctx.
// No other method may be called after it.
func (c *Conn) Idle(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	c.stopIdle = cancel
	c.idle.Go(func() {
		ticker := time.NewTicker(idleInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if _, err := c.SystemID(ctx); err != nil {
				if ctx.Err() == nil {
					slog.Warn("the connection that holds the WAL was lost; should the server remove WAL that the backup needs, the backup fails: " + err.Error())
				}
				return
			}
		}
	})
}

// receive returns the server's next message; its errors are errors.
func (c *Conn) receive(ctx context.Context) (pgproto3.BackendMessage, error) {
	message, err := c.pg.ReceiveMessage(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if errors.Is(err, io.EOF) { // which stands for an end in order
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if failure, ok := message.(*pgproto3.ErrorResponse); ok {
		return nil, refusal(failure)
	}
	return message, nil
}

// skipToReady skips the rest of an answer.
func (c *Conn) skipToReady(ctx context.Context) error {
	for {
		message, err := c.receive(ctx)
		if err != nil {
			return err
		}
		if _, ready := message.(*pgproto3.ReadyForQuery); ready {
			return nil
		}
	}
}

// refusal is the server's error, with its hint.
func refusal(failure *pgproto3.ErrorResponse) error {
	err := pgconn.ErrorResponseToPgError(failure)
	if err.Hint == "" {
		return err
	}
	return fmt.Errorf("%w\nhint: %s", err, err.Hint)
}

// Close ends the connection and what the server does for it. A server that does not
// answer is waited for until ctx ends.
func (c *Conn) Close(ctx context.Context) error {
	if c.stopIdle != nil {
		c.stopIdle()
		c.idle.Wait()
	}
	if c.stream != nil {
		c.stream.halt()
	}
	if c.backup != nil && !errors.Is(c.backup.err, io.EOF) && !c.pg.IsClosed() {
		// The server notices a closed connection late while it does a checkpoint.
		_ = c.pg.CancelRequest(ctx)
	}
	err := c.pg.Close(ctx)
	// After a cancelled command pgx closes in the background.
	select {
	case <-c.pg.CleanupDone():
	case <-ctx.Done():
	}
	return err
}

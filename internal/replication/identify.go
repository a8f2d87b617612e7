package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// MinMajorReadSlot is the first major version with READ_REPLICATION_SLOT.
const MinMajorReadSlot = 15

// Identity is what a server says of itself.
type Identity struct {
	SystemID string
	Timeline wal.Timeline
	// Position is up to where its WAL is on disk; on a standby, what it has received.
	Position wal.LSN
}

// Identify asks for the cluster's identity and for where its WAL ends now.
func (c *Conn) Identify(ctx context.Context) (Identity, error) {
	row, err := c.row(ctx, "IDENTIFY_SYSTEM", 3)
	if err != nil {
		return Identity{}, fmt.Errorf("identifying the server: %w", err)
	}
	timeline, err := parseTimeline(row[1])
	if err != nil {
		return Identity{}, fmt.Errorf("identifying the server: %w", err)
	}
	position, err := wal.ParseLSN(row[2])
	if err != nil {
		return Identity{}, fmt.Errorf("identifying the server: %w", err)
	}
	return Identity{SystemID: row[0], Timeline: timeline, Position: position}, nil
}

// Show returns a setting of the server.
func (c *Conn) Show(ctx context.Context, name string) (string, error) {
	row, err := c.row(ctx, "SHOW "+name, 1)
	if err != nil {
		return "", fmt.Errorf("asking the server for %s: %w", name, err)
	}
	return row[0], nil
}

// TimelineHistory returns the history file of a timeline other than the first.
func (c *Conn) TimelineHistory(ctx context.Context, timeline wal.Timeline) ([]byte, error) {
	row, err := c.row(ctx, fmt.Sprintf("TIMELINE_HISTORY %d", uint32(timeline)), 2)
	if err != nil {
		return nil, fmt.Errorf("asking the server for the history of timeline %d: %w", timeline, err)
	}
	return []byte(row[1]), nil
}

// Slot is a physical replication slot.
type Slot struct {
	Exists bool
	// Physical is false for a logical one.
	Physical bool
	// Restart is from where on it keeps the WAL; 0 when it keeps none, because it never
	// did, or was invalidated.
	Restart wal.LSN
}

// ReadSlot looks at a slot. The server must be of MinMajorReadSlot or later.
func (c *Conn) ReadSlot(ctx context.Context, name string) (Slot, error) {
	row, err := c.row(ctx, "READ_REPLICATION_SLOT "+name, 2)
	if err != nil {
		return Slot{}, fmt.Errorf("looking at the replication slot %s: %w", name, err)
	}
	return NewSlot(row[0], row[1])
}

// NewSlot is the slot of that kind ("" for none) with that restart_lsn ("" for none).
func NewSlot(kind, restart string) (Slot, error) {
	s := Slot{Exists: kind != "", Physical: kind == "physical"}
	if restart == "" {
		return s, nil
	}
	var err error
	s.Restart, err = wal.ParseLSN(restart)
	return s, err
}

// CreateSlot makes a permanent slot, which keeps all WAL from the last checkpoint on.
func (c *Conn) CreateSlot(ctx context.Context, name string) error {
	if _, err := c.pg.Exec(ctx, "CREATE_REPLICATION_SLOT "+name+" PHYSICAL RESERVE_WAL").ReadAll(); err != nil {
		return fmt.Errorf("creating the replication slot %s: %w", name, err)
	}
	return nil
}

// DropSlot removes a slot, as soon as nobody uses it.
func (c *Conn) DropSlot(ctx context.Context, name string) error {
	if _, err := c.pg.Exec(ctx, "DROP_REPLICATION_SLOT "+name+" WAIT").ReadAll(); err != nil {
		return fmt.Errorf("dropping the replication slot %s: %w", name, err)
	}
	return nil
}

// row returns the one row of a command's result, with so many values at the least.
func (c *Conn) row(ctx context.Context, command string, values int) ([]string, error) {
	results, err := c.pg.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, err
	}
	return onlyRow(results, values)
}

func onlyRow(results []*pgconn.Result, values int) ([]string, error) {
	if len(results) == 0 || len(results[0].Rows) == 0 || len(results[0].Rows[0]) < values {
		return nil, errors.New("the answer is incomplete")
	}
	row := make([]string, 0, values)
	for _, value := range results[0].Rows[0] {
		row = append(row, string(value))
	}
	return row, nil
}

func parseTimeline(text string) (wal.Timeline, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not the number of a timeline", text)
	}
	return wal.Timeline(n), nil
}

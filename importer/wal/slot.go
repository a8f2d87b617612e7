package wal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dustin/go-humanize"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// warnRetained is from how much retained WAL on each run warns, in bytes.
const warnRetained = 1 << 30

// firstWithLimit is the first major version with max_slot_wal_keep_size.
// Source: https://www.postgresql.org/docs/13/release-13.html
const firstWithLimit = 13

// readSlot looks at the slot.
func (s *server) readSlot(ctx context.Context) (err error) {
	if s.conn.Major() >= replication.MinMajorReadSlot {
		s.slot, err = s.conn.ReadSlot(ctx, s.name)
	} else {
		s.slot, err = s.querySlot(ctx)
	}
	if err == nil && s.slot.Exists && !s.slot.Physical {
		err = fmt.Errorf("option \"slot\": %s is a logical replication slot: name another one", s.name)
	}
	return err
}

// querySlot is readSlot for servers that have no command for it.
func (s *server) querySlot(ctx context.Context) (replication.Slot, error) {
	_, conn, err := s.info.Dial(ctx, "postgres", "template1")
	if err != nil {
		return replication.Slot{}, fmt.Errorf("looking at the replication slot %s: %w", s.name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var kind, restart string
	err = conn.QueryRow(ctx, "SELECT slot_type, coalesce(restart_lsn::text, '') FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", s.name).Scan(&kind, &restart)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return replication.Slot{}, fmt.Errorf("looking at the replication slot %s: %w", s.name, err)
	}
	return replication.NewSlot(kind, restart)
}

// openSlot makes sure that there is a slot that keeps WAL and that nobody uses. readSlot has looked at it.
func (s *server) openSlot(ctx context.Context) error {
	if !s.slot.Exists {
		return s.createSlot(ctx, "it did not exist")
	}
	lost, err := s.lost(ctx)
	switch {
	case err != nil:
		return err
	case lost != "":
		if err := s.conn.DropSlot(ctx, s.name); err != nil {
			return err
		}
		return s.createSlot(ctx, lost)
	}
	if s.retained() >= warnRetained {
		s.warn(fmt.Sprintf("the replication slot %s retains %s of WAL on the server: back up more often, or look why earlier runs failed", s.name, humanize.IBytes(s.retained())))
	}
	return nil
}

// lost says why the slot keeps no WAL any more, "" if it does. Not every
// invalidation can be read: using it shows that, and whether somebody else does.
func (s *server) lost(ctx context.Context) (why string, err error) {
	const invalidated = "it was invalidated: the server removed WAL that it kept, see max_slot_wal_keep_size"
	if s.slot.Restart == 0 {
		return "it kept no WAL: it was invalidated (see max_slot_wal_keep_size), or never reserved any", nil
	}
	from := s.history.SegmentAt(s.slot.Restart, s.size)
	stream, err := s.conn.StreamWAL(ctx, s.name, from.Timeline, from.Start, s.interval)
	switch {
	case isCode(err, pgerrcode.ObjectNotInPrerequisiteState, pgerrcode.UndefinedFile):
		return invalidated, nil
	case isCode(err, pgerrcode.ObjectInUse):
		return "", fmt.Errorf("%w\nhint: another backup, or a standby, uses it: wait for its end, or choose another one with option \"slot\"", err)
	case err != nil:
		return "", err
	}
	if _, err = stream.Stop(ctx); isCode(err, pgerrcode.UndefinedFile) {
		return invalidated, nil
	}
	return "", err
}

// createSlot creates the slot.
func (s *server) createSlot(ctx context.Context, why string) error {
	if err := s.conn.CreateSlot(ctx, s.name); err != nil {
		if isCode(err, pgerrcode.InsufficientPrivilege) {
			return withHint(err)
		}
		return err
	}
	s.created = why
	if err := s.readSlot(ctx); err != nil {
		return err
	}
	if s.slot.Restart == 0 {
		return fmt.Errorf("the replication slot %s was created and keeps no WAL", s.name)
	}
	if s.slot.Restart > s.end.Position { // there was a checkpoint meanwhile
		if err := s.askEnd(ctx); err != nil {
			return err
		}
	}
	limit := "-1"
	if s.conn.Major() >= firstWithLimit {
		var err error
		if limit, err = s.conn.Show(ctx, "max_slot_wal_keep_size"); err != nil {
			return err
		}
	}
	said := "max_slot_wal_keep_size is " + limit + ": when it would keep more, the server invalidates it, and the next backup of the WAL reports a gap"
	switch {
	case s.conn.Major() < firstWithLimit:
		said = "When backups stop, the WAL fills the server's disk"
	case limit == "-1":
		said = "max_slot_wal_keep_size is -1: when backups stop, the WAL fills the server's disk; set a limit that is less than what is free there"
	}
	s.warn(fmt.Sprintf("the replication slot %s was created: %s. It keeps all WAL from %s on until it is backed up. %s. "+
		"When this server is no longer backed up, drop it: SELECT pg_drop_replication_slot('%s')", s.name, why, s.slot.Restart, said, s.name))
	return nil
}

// undoSlot drops a slot that this run created for a store that had nothing, when it failed:
// else the next run would take it for that of another store.
func (s *server) undoSlot(ctx context.Context) {
	if s.created == "" {
		return
	}
	cleanup, done := shutdown.CleanupContext(ctx)
	defer done()
	cleanup, cancel := context.WithTimeout(cleanup, shutdown.RollbackTimeout)
	defer cancel()
	_, pg, err := s.info.DialReplication(cleanup)
	if err == nil {
		conn := replication.New(pg)
		err = errors.Join(conn.DropSlot(cleanup, s.name), conn.Close(cleanup))
	}
	if err != nil {
		slog.Warn(fmt.Sprintf("the replication slot %s, which this run created, stays on the server: %v", s.name, err))
	}
}

// restart is the segment from which on the slot keeps the WAL.
func (s *server) restart() xlog.Segment { return s.history.SegmentAt(s.slot.Restart, s.size) }

package wal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// minMajor is the first major version with a segment size that a replication connection
// can ask for, and a restore_command in the server's configuration.
const minMajor = 12

// server is the server, as it is when a run begins.
type server struct {
	info     conninfo.Info // names the host
	conn     *replication.Conn
	name     string     // of the slot
	endTime  *time.Time // for the manifest; nil when not known
	end      replication.Identity
	systemID uint64
	size     uint64 // of a segment, in bytes
	interval time.Duration
	history  xlog.History
	files    map[xlog.Timeline][]byte // history files

	slot     replication.Slot
	created  string // why the slot was created in this run; "" if it was not
	warnings []string
}

// look connects to the server and asks what a run needs to know. The server has to be closed.
func (i *Importer) look(ctx context.Context) (_ *server, err error) {
	if err := spool.CheckDir(i.options.SpoolDir); err != nil {
		return nil, err
	}
	info, err := i.info.WithFiles(i.secrets)
	if err != nil {
		return nil, err
	}
	info, pg, err := info.DialReplication(ctx)
	if err != nil {
		return nil, withHint(err)
	}
	s := &server{info: info, conn: replication.New(pg), name: i.options.Slot, files: make(map[xlog.Timeline][]byte)}
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	if s.conn.Major() < minMajor {
		return nil, fmt.Errorf("the server at %s is PostgreSQL %s: a backup of the WAL needs PostgreSQL %d or later", info.Origin(), s.conn.Version(), minMajor)
	}
	s.readClock(ctx)
	return s, s.ask(ctx)
}

// ask asks for the end of the WAL, and how it is laid out.
func (s *server) ask(ctx context.Context) (err error) {
	if s.end, err = s.conn.Identify(ctx); err != nil {
		return err
	}
	if s.systemID, err = strconv.ParseUint(s.end.SystemID, 10, 64); err != nil {
		return fmt.Errorf("the server's system identifier: %w", err)
	}
	size, err := s.conn.Show(ctx, "wal_segment_size")
	if err == nil {
		s.size, err = parseSize(size)
	}
	if err == nil {
		err = xlog.CheckSegmentSize(s.size)
	}
	if err != nil {
		return err
	}
	timeout, err := s.conn.Show(ctx, "wal_sender_timeout")
	if err == nil {
		s.interval, err = reportInterval(timeout)
	}
	if err != nil {
		return err
	}
	return s.readHistory(ctx)
}

// askEnd asks again for the end of the WAL.
func (s *server) askEnd(ctx context.Context) error {
	again, err := s.conn.Identify(ctx)
	if err == nil && again.Timeline == s.end.Timeline {
		s.end = again
	}
	return err
}

// readHistory reads the history files of the server's timeline and of those before. A promoted
// standby need not have the older ones.
func (s *server) readHistory(ctx context.Context) (err error) {
	s.history = xlog.History{Timeline: s.end.Timeline}
	if s.end.Timeline == 1 {
		return nil
	}
	content, err := s.conn.TimelineHistory(ctx, s.end.Timeline)
	if err != nil {
		return err
	}
	s.files[s.end.Timeline] = content
	if s.history, err = xlog.ParseHistory(s.end.Timeline, content); err != nil {
		return err
	}
	for _, a := range slices.Backward(s.history.Ancestors) {
		if a.Timeline == 1 {
			break
		}
		younger := content
		content, err = s.conn.TimelineHistory(ctx, a.Timeline)
		if isCode(err, pgerrcode.UndefinedFile) {
			content, err = xlog.ParentHistory(younger, a.Timeline), nil
		}
		if err != nil {
			return err
		}
		s.files[a.Timeline] = content
	}
	return nil
}

// readClock reads the time, up to which all that was committed is in the WAL before
// the end that is asked for afterwards: the time of a commit is taken a moment before its
// WAL is written. Not every replication role may ask.
func (s *server) readClock(ctx context.Context) {
	_, conn, err := s.info.Dial(ctx, "postgres", "template1")
	if err != nil {
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var now *time.Time
	err = conn.QueryRow(ctx, `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_xact_replay_timestamp()
		ELSE pg_catalog.clock_timestamp() - interval '1 second' END`).Scan(&now)
	if err != nil || now == nil {
		return
	}
	utc := now.UTC()
	s.endTime = &utc
}

// retained is how much WAL the slot kept on the server when the run began, in bytes.
func (s *server) retained() uint64 {
	if s.slot.Restart == 0 || s.slot.Restart > s.end.Position {
		return 0
	}
	return uint64(s.end.Position - s.slot.Restart)
}

func (s *server) warn(text string) {
	slog.Warn(text)
	s.warnings = append(s.warnings, text)
}

// close ends the connection, although ctx may have ended.
func (s *server) close(ctx context.Context) {
	cleanup, done := shutdown.CleanupContext(ctx)
	defer done()
	cleanup, cancel := context.WithTimeout(cleanup, shutdown.CloseTimeout)
	defer cancel()
	if err := s.conn.Close(cleanup); err != nil {
		slog.Debug("closing the replication connection: " + err.Error())
	}
}

// withHint says what a server needs that does not let the role replicate.
func withHint(err error) error {
	if !isCode(err, pgerrcode.InvalidAuthorizationSpecification, pgerrcode.InsufficientPrivilege) {
		return err
	}
	return fmt.Errorf("%w\nhint: the role needs REPLICATION, and pg_hba.conf a line for the database \"replication\"", err)
}

func isCode(err error, codes ...string) bool {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.Code == code {
			return true
		}
	}
	return false
}

var quantity = regexp.MustCompile(`^([0-9]+) ?([a-zA-Z]*)$`)

// The units of settings, as SHOW gives them.
// Source: https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-NAMES-VALUES
var (
	sizeUnits = map[string]uint64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
	timeUnits = map[string]time.Duration{
		"": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}
)

func parseSize(text string) (uint64, error) {
	match := quantity.FindStringSubmatch(text)
	if match == nil || sizeUnits[match[2]] == 0 {
		return 0, fmt.Errorf("the server's wal_segment_size is %q: not understood", text)
	}
	n, err := strconv.ParseUint(match[1], 10, 32)
	return n * sizeUnits[match[2]], err
}

// Limits of the time between two status updates.
const (
	longestInterval  = 10 * time.Second
	shortestInterval = 10 * time.Millisecond
)

// reportInterval is a third of wal_sender_timeout, of which 0 is none.
func reportInterval(timeout string) (time.Duration, error) {
	match := quantity.FindStringSubmatch(timeout)
	if match == nil || timeUnits[match[2]] == 0 {
		return 0, fmt.Errorf("the server's wal_sender_timeout is %q: not understood", timeout)
	}
	n, err := strconv.ParseInt(match[1], 10, 32)
	if n == 0 {
		return longestInterval, err
	}
	return max(shortestInterval, min(longestInterval, time.Duration(n)*timeUnits[match[2]]/3)), err
}

package replication

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// WALStream is a running START_REPLICATION. Receive, Confirm and Stop must not be called
// at the same time; status updates go out beside them.
type WALStream struct {
	conn  *Conn
	ended bool // the server sends no more

	received atomic.Uint64 // the position after it, with which the next data has to begin

	sending sync.Mutex // of status updates
	stop    context.CancelFunc
	beat    sync.WaitGroup
}

// StreamWAL has the server send the WAL of a timeline from a position on. With a slot,
// nobody else can use that one meanwhile. Each interval the server is told that nothing is
// flushed: so it does not end the connection, counts us for no commit, and leaves the slot
// where it is.
func (c *Conn) StreamWAL(ctx context.Context, slot string, timeline wal.Timeline, from wal.LSN, interval time.Duration) (*WALStream, error) {
	command := fmt.Sprintf("START_REPLICATION PHYSICAL %s TIMELINE %d", from, uint32(timeline))
	if slot != "" {
		command = fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s TIMELINE %d", slot, from, uint32(timeline))
	}
	s := &WALStream{conn: c}
	s.received.Store(uint64(from))
	c.pg.Frontend().Send(&pgproto3.Query{String: command})
	if err := c.pg.Frontend().Flush(); err != nil {
		return nil, fmt.Errorf("starting to stream the WAL: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("streaming the WAL of timeline %d from %s: %w", timeline, from, err)
	}
	ctx, s.stop = context.WithCancel(ctx)
	c.stream = s
	s.beat.Go(func() { s.report(ctx, interval) })
	return s, nil
}

// begin reads up to the start of the copy stream. A server whose timeline ended just there
// sends none. When the server refuses, the connection can be used for other commands.
func (s *WALStream) begin(ctx context.Context) error {
	for {
		message, err := s.conn.receive(ctx)
		if refusal := new(pgconn.PgError); errors.As(err, &refusal) && !s.conn.pg.IsClosed() {
			return errors.Join(err, s.conn.skipToReady(ctx))
		}
		if err != nil {
			return err
		}
		switch message.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ReadyForQuery:
			return errors.New("the server has none")
		}
	}
}

// report sends status updates until the stream ends.
func (s *WALStream) report(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if s.send(0) != nil {
				return // reading will say why
			}
		}
	}
}

// Receive returns the next piece of the WAL, valid until the next call. It returns io.EOF
// when the timeline has ended.
func (s *WALStream) Receive(ctx context.Context) ([]byte, error) {
	for !s.ended {
		message, err := s.conn.receive(ctx)
		if refusal := new(pgconn.PgError); errors.As(err, &refusal) && !s.conn.pg.IsClosed() {
			// WAL that was removed is refused only now. The connection can be used for other commands.
			s.halt()
			s.ended = true
			err = errors.Join(err, s.conn.skipToReady(ctx))
		}
		if err != nil {
			return nil, fmt.Errorf("streaming the WAL at %s: %w", s.position(), err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			data, err := s.take(m.Data)
			if err != nil || len(data) > 0 {
				return data, err
			}
		case *pgproto3.CopyDone:
			s.ended = true
		case *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
			return nil, fmt.Errorf("streaming the WAL at %s: the server ended it", s.position())
		}
	}
	return nil, io.EOF
}

// take reads one message of the copy stream.
// Source: https://www.postgresql.org/docs/18/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION
func (s *WALStream) take(message []byte) ([]byte, error) {
	const dataHeader, keepalive = 25, 18 // bytes
	switch {
	case len(message) >= dataHeader && message[0] == 'w':
		start := wal.LSN(binary.BigEndian.Uint64(message[1:]))
		if start != s.position() {
			return nil, fmt.Errorf("streaming the WAL: the server sent what begins at %s in place of %s", start, s.position())
		}
		data := message[dataHeader:]
		s.received.Add(uint64(len(data)))
		return data, nil
	case len(message) >= keepalive && message[0] == 'k':
		if message[keepalive-1] == 0 {
			return nil, nil
		}
		return nil, s.send(0)
	}
	return nil, errors.New("streaming the WAL: a message that is not understood")
}

// Confirm moves the slot to position, in one write with the update after it, which
// takes the promise back that WAL is flushed here: a server must not wait for us.
func (s *WALStream) Confirm(position wal.LSN) error { return s.send(position, 0) }

func (s *WALStream) position() wal.LSN { return wal.LSN(s.received.Load()) }

// send sends a status update for each position that is said to be flushed, 0 for none.
// What was received counts as written: a server that shuts down waits for that. Beside a
// position that is flushed it does not: a commit with synchronous_commit=remote_write
// would be let go by it.
// Source: SyncRepReleaseWaiters in src/backend/replication/syncrep.c
func (s *WALStream) send(flushed ...wal.LSN) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	for _, position := range flushed {
		written := cmp.Or(uint64(position), s.received.Load())
		update := binary.BigEndian.AppendUint64([]byte{'r'}, written)
		update = binary.BigEndian.AppendUint64(update, uint64(position))                         // flushed
		update = binary.BigEndian.AppendUint64(update, 0)                                        // applied
		update = binary.BigEndian.AppendUint64(update, uint64(time.Since(epoch).Microseconds())) // #nosec G115 -- after 2000
		s.conn.pg.Frontend().Send(&pgproto3.CopyData{Data: append(update, 0)})
	}
	if err := s.conn.pg.Frontend().Flush(); err != nil {
		return fmt.Errorf("telling the server how far its WAL has come: %w", err)
	}
	return nil
}

// epoch is PostgreSQL's.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Stop ends the stream in order; the connection can be used again. After the end of a
// timeline it returns the next one.
func (s *WALStream) Stop(ctx context.Context) (next wal.Timeline, err error) {
	s.halt()
	s.conn.pg.Frontend().Send(&pgproto3.CopyDone{})
	if err := s.conn.pg.Frontend().Flush(); err != nil {
		return 0, fmt.Errorf("ending the stream of WAL: %w", err)
	}
	for {
		message, err := s.conn.receive(ctx)
		if refusal := new(pgconn.PgError); errors.As(err, &refusal) && !s.conn.pg.IsClosed() {
			err = errors.Join(err, s.conn.skipToReady(ctx)) // then the connection can be used for other commands
		}
		if err != nil {
			return 0, fmt.Errorf("ending the stream of WAL: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if next, err = parseTimeline(string(m.Values[0])); err != nil {
				return 0, err
			}
		case *pgproto3.ReadyForQuery:
			return next, nil
		}
	}
}

// halt ends the status updates.
func (s *WALStream) halt() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.beat.Wait()
}

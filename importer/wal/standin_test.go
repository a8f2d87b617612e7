package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// standIn takes the place of a server, for what real ones rarely do. Its WAL is made up.
type standIn struct {
	listener net.Listener
	ended    *sync.Cond // a session
	sessions int        // that have not ended

	// What follows is for sessions, and between runs for the test: see idle.
	mu       sync.Mutex
	id       uint64
	size     uint64 // of a segment
	history  xlog.History
	files    map[xlog.Timeline]string
	end      xlog.LSN
	oldest   xlog.LSN // what lies before was removed
	slot     xlog.LSN // 0 for none
	reserves xlog.LSN // where a new slot begins; 0 for the start of the last segment
	promised xlog.LSN // was said to be written, beside less that is flushed; 0 for none
	seed     byte     // two servers with different ones have written different WAL

	spoil func(s xlog.Segment, content []byte)
	// breaks is called before what begins at breakAt is sent, if it is not 0.
	breakAt xlog.LSN
	breaks  func(c *session)
	scratch []byte   // for a segment: new memory is what takes the race detector long
	started []string // what this run began to stream: where, and whether with the slot
}

// newStandIn is a server on timeline 1 with so many bytes in a segment.
func newStandIn(t *testing.T, size uint64) *standIn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{listener: listener, id: 7, size: size, history: xlog.History{Timeline: 1}, files: make(map[xlog.Timeline]string), oldest: xlog.LSN(size)}
	s.ended = sync.NewCond(new(sync.Mutex))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.count(1)
			go func() {
				defer s.count(-1)
				s.serve(conn)
			}()
		}
	}()
	return s
}

func (s *standIn) count(n int) {
	s.ended.L.Lock()
	defer s.ended.L.Unlock()
	s.sessions += n
	s.ended.Broadcast()
}

// idle waits until all sessions have ended, whose clients have.
func (s *standIn) idle() {
	s.ended.L.Lock()
	defer s.ended.L.Unlock()
	for s.sessions > 0 {
		s.ended.Wait()
	}
}

// at is the position so many segments, and some bytes, from the beginning.
func (s *standIn) at(segments int, bytes uint64) xlog.LSN {
	return xlog.LSN(uint64(segments)*s.size + bytes) // #nosec G115 -- not negative
}

// begins makes a timeline begin at a position of the one before.
func (s *standIn) begins(timeline xlog.Timeline, at xlog.LSN) {
	s.history.Ancestors = append(s.history.Ancestors, xlog.Ancestor{Timeline: s.history.Timeline, End: at})
	s.history.Timeline = timeline
	var file strings.Builder
	for n, a := range s.history.Ancestors {
		if n > 0 {
			file.WriteString("\n")
		}
		fmt.Fprintf(&file, "%d\t%s\tno recovery target specified\n", a.Timeline, a.End)
	}
	s.files[timeline] = file.String()
}

// segment is the content of a segment up to where its timeline ends, until the next call.
func (s *standIn) segment(at xlog.Segment) []byte {
	if s.scratch == nil {
		s.scratch = make([]byte, at.Size)
	}
	content := s.scratch
	for offset := uint64(0); offset < at.Size; offset += defaultBlock {
		address := at.Start + xlog.LSN(offset)
		timeline := min(s.history.TimelineAt(address), at.Timeline)
		page := content[offset : offset+defaultBlock]
		copy(page, bytes.Repeat([]byte{s.seed + byte(timeline)}, defaultBlock))
		binary.LittleEndian.PutUint16(page, 0xD118)
		binary.LittleEndian.PutUint16(page[2:], 0)
		binary.LittleEndian.PutUint32(page[4:], uint32(timeline))
		binary.LittleEndian.PutUint64(page[8:], uint64(address))
		if offset == 0 {
			binary.LittleEndian.PutUint16(page[2:], 2)
			binary.LittleEndian.PutUint64(page[24:], s.id)
			binary.LittleEndian.PutUint32(page[32:], uint32(at.Size)) // #nosec G115 -- a segment's size
			binary.LittleEndian.PutUint32(page[36:], defaultBlock)
		}
	}
	if s.spoil != nil {
		s.spoil(at, content)
	}
	return content
}

// session is one connection to a stand-in.
type session struct {
	*standIn
	conn    net.Conn
	backend *pgproto3.Backend
	probed  bool // whether the slot is free was looked at
	// asks has queries (string), copy data ([]byte) and the client's end of a stream (nil).
	asks chan any
}

func (s *standIn) serve(conn net.Conn) {
	c := &session{standIn: s, conn: conn, backend: pgproto3.NewBackend(conn, conn), asks: make(chan any, 1000)}
	defer func() { _ = conn.Close() }()
	startup, err := c.backend.ReceiveStartupMessage()
	if err != nil {
		return
	}
	m, ok := startup.(*pgproto3.StartupMessage)
	if !ok || m.Parameters["replication"] != "true" {
		c.send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28000", Message: "no SQL here"})
		return
	}
	c.send(&pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "server_version", Value: "18.1"}, &pgproto3.BackendKeyData{SecretKey: make([]byte, 4)}, ready)
	go c.receive()
	for ask := range c.asks {
		if query, ok := ask.(string); ok {
			c.answer(query)
		}
	}
}

var ready = &pgproto3.ReadyForQuery{TxStatus: 'I'}

func (c *session) receive() {
	defer close(c.asks)
	for {
		message, err := c.backend.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			c.asks <- m.String
		case *pgproto3.CopyData:
			c.asks <- append([]byte(nil), m.Data...)
		case *pgproto3.CopyDone:
			c.asks <- nil
		}
	}
}

func (c *session) send(messages ...pgproto3.BackendMessage) {
	for _, m := range messages {
		c.backend.Send(m)
	}
	_ = c.backend.Flush()
}

// row answers with one row.
func (c *session) row(values ...string) {
	data := &pgproto3.DataRow{}
	fields := make([]pgproto3.FieldDescription, len(values))
	for _, v := range values {
		data.Values = append(data.Values, []byte(v))
	}
	c.send(&pgproto3.RowDescription{Fields: fields}, data, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, ready)
}

func (c *session) answer(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	word := strings.Fields(query)
	switch word[0] {
	case "IDENTIFY_SYSTEM":
		c.row(strconv.FormatUint(c.id, 10), fmt.Sprint(uint32(c.history.Timeline)), c.end.String(), "")
	case "SHOW":
		c.row(map[string]string{"wal_segment_size": fmt.Sprintf("%dMB", c.size>>20), "wal_sender_timeout": "1min", "max_slot_wal_keep_size": "-1"}[word[1]])
	case "TIMELINE_HISTORY":
		n, _ := strconv.ParseUint(word[1], 10, 32)
		file, there := c.files[xlog.Timeline(n)]
		if !there {
			c.send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "could not open the history file"}, ready)
			return
		}
		c.row(xlog.Timeline(n).HistoryName(), file)
	case "READ_REPLICATION_SLOT":
		if c.slot == 0 {
			c.row("", "", "")
			return
		}
		c.row("physical", c.slot.String(), "1")
	case "CREATE_REPLICATION_SLOT":
		if c.slot = c.reserves; c.slot == 0 {
			c.slot = c.end - c.end%xlog.LSN(c.size)
		}
		c.end = max(c.end, c.slot)
		c.row("plakar", "0/0", "", "")
	case "DROP_REPLICATION_SLOT":
		c.slot = 0
		c.row("")
	case "START_REPLICATION":
		slot := word[1] == "SLOT"
		from, _ := xlog.ParseLSN(word[len(word)-3])
		n, _ := strconv.ParseUint(word[len(word)-1], 10, 32)
		at := xlog.SegmentOf(xlog.Timeline(n), from, c.size)
		c.started = append(c.started, fmt.Sprintf("%s %v", at, slot))
		c.send(&pgproto3.CopyBothResponse{})
		c.stream(at, slot, slot && !c.probed)
		c.probed = c.probed || slot
	}
}

// stream sends the WAL from the start of a segment to the end of its timeline.
// A run begins with a look at whether the slot is free, in which nothing breaks.
func (c *session) stream(at xlog.Segment, slot, probe bool) {
	end, left := c.history.EndOf(at.Timeline)
	if !left {
		end = c.end
	}
	for ; at.Start < end; at = at.Next() {
		if at.Start < c.oldest {
			c.send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "requested WAL segment " + at.Name() + " has already been removed"}, ready)
			return
		}
		content := c.segment(at)
		const step = 128 << 10
		for offset := uint64(0); offset < min(c.size, uint64(end-at.Start)); offset += step {
			from := at.Start + xlog.LSN(offset)
			if c.breaks != nil && from == c.breakAt && !probe {
				c.breaks(c)
				return
			}
			c.piece(from, content[offset:min(offset+step, uint64(end-at.Start), c.size)])
			if c.taken(slot, false) {
				c.send(&pgproto3.CopyDone{}, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, ready)
				return
			}
		}
	}
	if left {
		c.send(&pgproto3.CopyDone{})
	}
	if !c.taken(slot, true) {
		return
	}
	if !left {
		c.send(&pgproto3.CopyDone{}, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, ready)
		return
	}
	c.row(fmt.Sprint(uint32(c.history.SegmentAt(end, c.size).Timeline)), end.String())
}

// piece sends data that is said to begin at a position.
func (c *session) piece(from xlog.LSN, data []byte) {
	message := binary.BigEndian.AppendUint64([]byte{'w'}, uint64(from))
	message = binary.BigEndian.AppendUint64(message, uint64(c.end))
	message = binary.BigEndian.AppendUint64(message, 0)
	c.send(&pgproto3.CopyData{Data: append(message, data...)})
}

// taken takes in status updates, until the client ends the stream if it has to.
func (c *session) taken(slot, wait bool) (ended bool) {
	for {
		var ask any
		var open bool
		if wait {
			ask, open = <-c.asks
		} else {
			select {
			case ask, open = <-c.asks:
			default:
				return false
			}
		}
		update, more := ask.([]byte)
		if !open || !more {
			return open
		}
		written, flushed := xlog.LSN(binary.BigEndian.Uint64(update[1:])), xlog.LSN(binary.BigEndian.Uint64(update[9:]))
		if flushed != 0 && written > flushed {
			c.promised = written
		}
		if slot && flushed != 0 {
			c.slot = flushed
		}
	}
}

// hangUp ends the connection.
func hangUp(c *session) { _ = c.conn.Close() }

// answers sends messages in place of WAL.
func answers(messages ...pgproto3.BackendMessage) func(*session) {
	return func(c *session) { c.send(messages...) }
}

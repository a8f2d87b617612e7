package wal

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// ways are how a segment gets to plakar: from memory, from the spool, and as it is received.
var ways = map[string]struct {
	size    uint64
	options []string
}{
	"memory": {1 << 20, nil}, "spool": {16 << 20, nil}, "received": {16 << 20, []string{"spool_size=0"}},
}

// eachWay has a stand-in whose first four segments are in two snapshots, with the slot in the third:
// the second run has moved it to what the first one has. The third run gets to see three more.
// The race detector takes long over large memory: with -short little of it is tried.
func eachWay(t *testing.T, names []string, f func(t *testing.T, server *standIn, s *store, options []string)) {
	t.Helper()
	if testing.Short() {
		names = names[:1]
	}
	for _, name := range names {
		way := ways[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := newStandIn(t, way.size), &store{}
			server.end = server.at(3, 100)
			s.must(t, server, way.options...)
			server.end = server.at(4, 200)
			s.must(t, server, way.options...)
			server.end = server.at(5, 300)
			s.must(t, server, way.options...)
			if server.slot != server.at(3, 0) {
				t.Errorf("the slot is at %s", server.slot)
			}
			server.end = server.at(8, 512<<10+8192+16)
			f(t, server, s, way.options)
		})
	}
}

// A run has all the WAL, and moves the slot to the newest segment of the snapshot before.
func TestRuns(t *testing.T) {
	t.Parallel()
	eachWay(t, []string{"memory", "spool", "received"}, func(t *testing.T, server *standIn, s *store, options []string) {
		s.must(t, server, options...)
		s.whole(t, server, server.at(3, 0))
		if server.slot != server.at(4, 0) {
			t.Errorf("the slot is at %s", server.slot)
		}
		server.started = nil
		s.must(t, server, options...)
		s.whole(t, server, server.at(3, 0))
		if server.slot != server.at(7, 0) {
			t.Errorf("with nothing new the slot is at %s", server.slot)
		}
		// One look at whether the slot is free, and one at the newest segment.
		if len(server.started) != 2 {
			t.Errorf("with nothing new: %q", server.started)
		}
	})
}

// WAL that is not what it should be is not stored, wherever it is in a segment.
func TestBroken(t *testing.T) {
	t.Parallel()
	page := func(n uint64, change func(page []byte)) func([]byte) {
		return func(content []byte) { change(content[n*8192:]) }
	}
	address := func(page []byte) { page[9] ^= 1 }
	last := func(change func(page []byte)) func([]byte) {
		return func(content []byte) { change(content[len(content)-8192:]) }
	}
	for name, c := range map[string]struct {
		spoil func(content []byte)
		want  string
	}{
		"address of a segment":       {page(0, address), "says that it belongs to"},
		"address of a page":          {page(7, address), "says that it belongs to"},
		"address of the last page":   {last(address), "says that it belongs to"},
		"system identifier":          {page(0, func(p []byte) { p[24] = 8 }), "is of the cluster with the system identifier 8, not of 7"},
		"size of a segment":          {page(0, func(p []byte) { p[35] = 0; p[34] ^= 0x30 }), "bytes"},
		"size of a block":            {page(0, func(p []byte) { p[36] = 1 }), "is no size of a WAL block"},
		"no header of a segment":     {page(0, func(p []byte) { p[2] = 0 }), "does not begin with the header of a segment"},
		"a timeline of its own":      {page(9, func(p []byte) { p[4] = 9 }), "is of timeline 9, which timeline 1 does not descend from"},
		"no WAL":                     {page(3, func(p []byte) { copy(p, "something else") }), "which is no WAL"},
		"no WAL in the last page":    {last(func(p []byte) { copy(p, "something else") }), "which is no WAL"},
		"pages of zeros":             {page(3, func(p []byte) { clear(p[:2*defaultBlock]) }), "behind pages of zeros"},
		"another content, well made": {page(5, func(p []byte) { p[100] ^= 1 }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := []string{"memory"}
			if name == "address of the last page" {
				names = append(names, "spool", "received")
			}
			eachWay(t, names, func(t *testing.T, server *standIn, s *store, options []string) {
				// The newest that the store has, the one that plakar waits for, the ones behind it, and the beginning of one.
				for n := 4; n <= 8; n++ {
					if (server.size > 1<<20 || testing.Short()) && n != 6 {
						continue
					}
					server.spoil = func(at xlog.Segment, content []byte) {
						if at.Start == server.at(n, 0) {
							c.spoil(content)
						}
					}
					end := server.end
					if n == 8 { // the last page that is sent is not the last of the segment
						server.end = server.at(9, 0) - 1
					}
					switch {
					case c.want != "":
						s.refusesUnmoved(t, server, n, c.want, options)
					case n == 4:
						s.refuses(t, server, "not what the previous snapshot has", options...)
					}
					server.end = end
				}
				if server.spoil = nil; c.want != "" {
					s.must(t, server, options...)
					s.whole(t, server, server.at(3, 0))
				}
			})
		})
	}
}

// refusesUnmoved is refuses, but for the slot, which may have moved to what the store has.
func (s *store) refusesUnmoved(t *testing.T, server *standIn, n int, want string, options []string) {
	t.Helper()
	if n > 5 {
		server.slot = server.at(4, 0)
	}
	s.refuses(t, server, want, options...)
}

// A stream that does not go on as it should is an error, and what follows is taken by the next run.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	failed := &pgproto3.ErrorResponse{Severity: "ERROR", Code: "XX000", Message: "could not read the file"}
	for name, c := range map[string]struct {
		breaks func(*session)
		want   string
	}{
		"the connection ends":   {hangUp, "unexpected EOF"},
		"an error":              {answers(failed, ready), "could not read the file"},
		"a fatal error":         {func(c *session) { c.send(failed); hangUp(c) }, "could not read the file"},
		"the segment is gone":   {answers(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "has already been removed"}, ready), "has already been removed"},
		"the timeline ends":     {answers(&pgproto3.CopyDone{}), "a standby was promoted"},
		"the command ends":      {answers(&pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, ready), "the server ended it"},
		"a hole":                {func(c *session) { c.piece(c.breakAt+8192, make([]byte, 8192)) }, "in place of"},
		"the same once more":    {func(c *session) { c.piece(c.breakAt-8192, make([]byte, 8192)) }, "in place of"},
		"a message cut off":     {answers(&pgproto3.CopyData{Data: []byte("w\x00\x00")}), "not understood"},
		"a message of no kind":  {answers(&pgproto3.CopyData{Data: make([]byte, 40)}), "not understood"},
		"a message of no bytes": {answers(&pgproto3.CopyData{}), "not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, []string{"memory"}, func(t *testing.T, server *standIn, s *store, options []string) {
				server.breaks = c.breaks
				places := []xlog.LSN{server.at(6, 512<<10), server.at(4, 0), server.at(4, 256<<10), server.at(5, 0), server.at(7, 896<<10), server.at(8, 0), server.at(8, 128<<10)}
				if testing.Short() {
					places = places[:1]
				}
				for _, at := range places {
					if at > server.at(5, 0) {
						server.slot = server.at(4, 0) // where it may be by then
					}
					if at < server.at(5, 0) {
						server.slot = server.at(3, 0)
					}
					server.breakAt = at
					s.refuses(t, server, c.want, options...)
				}
				server.breaks = nil
				s.must(t, server, options...)
				s.whole(t, server, server.at(3, 0))
			})
		})
	}
}

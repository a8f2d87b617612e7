package rpc

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Sizes in bytes.
const (
	// window is what the client may send ahead of what is taken, of each call and of all
	// together. It is renewed in quarters: so the largest message always fits.
	window      = 8 << 20
	maxMessage  = 4 << 20    // that the client may send; the default of grpc-go
	startWindow = 64<<10 - 1 // what either side starts with; RFC 9113, 6.9.2
	startFrame  = 16 << 10   // of a frame, until the other side allows more; RFC 9113, 6.5.2
	startTable  = 4 << 10    // of compressed headers; RFC 9113, 6.5.2
)

// probe is the content of the pings by which grpc-go measures how much data is under
// way, to find out how large a window pays. It sends one for each file, as long as the
// window is smaller than 16 MiB, and makes the window twice what arrives before the
// answer: the answer is sent after so much that the first one is the last.
// Source: bdpPing and calculate in internal/transport/bdp_estimator.go of grpc v1.81.1
var probe = [8]byte{2, 4, 16, 16, 9, 14, 7, 7}

const answerAfter = 8 << 20

// readAhead is how much is read of the connection at once, in bytes.
const readAhead = 64 << 10

// conn is the connection to the client.
type conn struct {
	ctx    context.Context // of all calls
	server *Server
	in     *http2.Framer // of the goroutine that runs read
	ended  chan error    // how reading ended

	mu      sync.Mutex
	streams map[uint32]*stream
	taken   int // bytes that were received since the window was renewed

	room    int64      // bytes that may be sent, of all calls together
	initial int64      // bytes that may be sent of a new call
	maximum int        // bytes of a frame that may be sent
	more    *sync.Cond // there may be more room
	sent    int64      // bytes of messages
	probed  bool       // an answer to a probe is due
	due     int64      // when so much is sent

	w       io.Writer
	out     buffer // frames that are to be written
	spare   buffer
	writing bool // a goroutine writes out
	failed  error
	drained *sync.Cond // out has been taken
	frames  *http2.Framer
	headers *hpack.Encoder
	block   buffer // of headers
}

// buffer is an io.Writer that keeps what is written.
type buffer []byte

// Write implements io.Writer; it never fails.
func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func newConn(ctx context.Context, s *Server, r io.Reader, w io.Writer) *conn {
	c := &conn{
		ctx: ctx, server: s, in: http2.NewFramer(io.Discard, r), ended: make(chan error, 1), w: w,
		streams: make(map[uint32]*stream), room: startWindow, initial: startWindow, maximum: startFrame,
	}
	c.more, c.drained = sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.in.SetReuseFrames()
	c.in.ReadMetaHeaders = hpack.NewDecoder(startTable, nil)
	c.frames, c.headers = http2.NewFramer(&c.out, nil), hpack.NewEncoder(&c.block)
	return c
}

// read takes in frames until the connection ends, or until a quick call waits: then
// another goroutine reads on.
func (c *conn) read() {
	for {
		frame, err := c.in.ReadFrame()
		var bad http2.StreamError
		switch {
		case errors.As(err, &bad):
			c.reset(bad)
			continue
		case err != nil:
			c.ended <- err
			return
		}
		if st := c.take(frame); st != nil && !st.run() {
			return
		}
	}
}

// take takes in a frame. It returns the quick call whose request is complete now, if
// there is one.
func (c *conn) take(frame http2.Frame) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ready *stream
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		ready = c.open(f)
	case *http2.DataFrame:
		ready = c.data(f)
	case *http2.RSTStreamFrame:
		c.end(f.StreamID, errCanceled)
	case *http2.SettingsFrame:
		c.settings(f)
	case *http2.WindowUpdateFrame:
		if st := c.streams[f.StreamID]; st != nil {
			st.room += int64(f.Increment)
		} else if f.StreamID == 0 {
			c.room += int64(f.Increment)
		}
		c.more.Broadcast()
	case *http2.PingFrame:
		switch {
		case f.IsAck():
		case f.Data == probe:
			c.probed, c.due = true, c.sent+answerAfter
		default:
			_ = c.frames.WritePing(true, f.Data)
		}
	}
	c.startWriting()
	return ready
}

// open begins a call.
func (c *conn) open(f *http2.MetaHeadersFrame) *stream {
	if st := c.streams[f.StreamID]; st != nil { // trailers
		return c.close(st)
	}
	st := newStream(c, f.StreamID, f.PseudoValue("path"))
	c.streams[st.id] = st
	if !st.quick {
		go st.run()
	}
	if f.StreamEnded() {
		return c.close(st)
	}
	return nil
}

// data adds to what a call has received.
func (c *conn) data(f *http2.DataFrame) *stream {
	c.taken += int(f.Length)
	c.renew(0, &c.taken)
	st := c.streams[f.StreamID]
	if st == nil {
		return nil
	}
	_, _ = st.in.Write(f.Data())
	st.taken += int(f.Length) - len(f.Data()) // padding; the rest when it is taken
	st.arrived.Signal()
	if f.StreamEnded() {
		return c.close(st)
	}
	return nil
}

// close notes that nothing more comes from the client for a call.
func (c *conn) close(st *stream) *stream {
	st.closed = true
	st.arrived.Signal()
	if st.quick {
		return st
	}
	return nil
}

// renew lets the client send again what was taken, when that pays.
func (c *conn) renew(id uint32, taken *int) {
	if *taken >= window/4 {
		_ = c.frames.WriteWindowUpdate(id, uint32(*taken)) // #nosec G115 -- at most the window
		*taken = 0
	}
}

// settings applies what the client wants.
func (c *conn) settings(f *http2.SettingsFrame) {
	if f.IsAck() {
		return
	}
	_ = f.ForeachSetting(func(s http2.Setting) error {
		switch s.ID {
		case http2.SettingInitialWindowSize:
			for _, st := range c.streams {
				st.room += int64(s.Val) - c.initial
			}
			c.initial = int64(s.Val)
			c.more.Broadcast()
		case http2.SettingMaxFrameSize:
			c.maximum = int(s.Val)
		case http2.SettingHeaderTableSize:
			c.headers.SetMaxDynamicTableSizeLimit(s.Val)
		}
		return nil
	})
	_ = c.frames.WriteSettingsAck()
}

// end ends a call before its time.
func (c *conn) end(id uint32, err error) {
	if st := c.streams[id]; st != nil {
		delete(c.streams, id)
		st.err = err
		st.arrived.Signal()
		c.more.Broadcast()
		st.cancel(err)
	}
}

// reset ends a call that broke the protocol.
func (c *conn) reset(bad http2.StreamError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(bad.StreamID, errCanceled)
	_ = c.frames.WriteRSTStream(bad.StreamID, bad.Code)
	c.startWriting()
}

// abandon ends all calls, since the client is gone.
func (c *conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(errGone)
	for id := range c.streams {
		c.end(id, errGone)
	}
}

// fail notes that nothing can be written any more.
func (c *conn) fail(err error) {
	if c.failed == nil {
		c.failed = err
	}
	c.more.Broadcast()
	c.drained.Broadcast()
}

package rpc

import (
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxAhead is how many bytes of frames may wait for a goroutine that writes.
const maxAhead = 1 << 20

// flush writes the frames in out and unlocks mu, which has to be locked. While another
// goroutine writes they are left to that one; it waits if these are many. It must not be
// called by the goroutine that reads the connection: grpc-go stops reading when it cannot
// write, so whoever reads must not wait until it can write.
// Source: throttle in internal/transport/controlbuf.go of grpc v1.81.1
func (c *conn) flush() {
	for c.writing && len(c.out) > maxAhead && c.failed == nil {
		c.drained.Wait()
	}
	c.flushOnce()
}

// flushOnce is flush without waiting.
func (c *conn) flushOnce() {
	defer c.mu.Unlock()
	if c.writing || len(c.out) == 0 {
		return
	}
	c.writing = true
	c.batch()
	// What others left meanwhile is not this goroutine's.
	c.writing = false
	c.startWriting()
}

// startWriting lets another goroutine write the frames in out.
func (c *conn) startWriting() {
	if c.writing || len(c.out) == 0 || c.failed != nil {
		return
	}
	c.writing = true
	go func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for len(c.out) > 0 && c.failed == nil {
			c.batch()
		}
		c.writing = false
	}()
}

// batch writes the frames that are in out now.
func (c *conn) batch() {
	p := c.out
	c.out, c.spare = c.spare[:0], nil
	c.drained.Broadcast()
	c.mu.Unlock()
	_, err := c.w.Write(p)
	c.mu.Lock()
	c.spare = p
	if err != nil {
		c.fail(err)
	}
}

// send writes as much of a message as there is room for to out, and returns the rest.
func (c *conn) send(st *stream, p []byte) (rest []byte) {
	for len(p) > 0 {
		size := int(min(int64(len(p)), int64(c.maximum), st.room, c.room))
		if size <= 0 {
			break
		}
		var head [9]byte                                                             // RFC 9113, 4.1
		binary.BigEndian.PutUint32(head[:], uint32(size)<<8|uint32(http2.FrameData)) // #nosec G115 -- at most maximum
		binary.BigEndian.PutUint32(head[5:], st.id)
		c.out = append(append(c.out, head[:]...), p[:size]...)
		p = p[size:]
		st.room -= int64(size)
		c.room -= int64(size)
		c.sent += int64(size)
	}
	if c.probed && c.sent >= c.due {
		c.probed = false
		_ = c.frames.WritePing(true, probe)
	}
	return p
}

// begin writes the headers of an answer to out, unless they were.
func (c *conn) begin(st *stream) {
	if !st.begun {
		st.begun = true
		c.field(":status", "200")
		c.field("content-type", "application/grpc")
		c.endHeaders(st, false)
	}
}

// finish writes how a call ended to out.
func (c *conn) finish(st *stream, how *status.Status) {
	c.begin(st)
	c.field("grpc-status", strconv.Itoa(int(how.Code())))
	if how.Code() != codes.OK {
		c.field("grpc-message", percent(how.Message()))
	}
	c.endHeaders(st, true)
}

func (c *conn) field(name, value string) {
	_ = c.headers.WriteField(hpack.HeaderField{Name: name, Value: value}) // to a buffer
}

// endHeaders writes the fields to out, in frames that the client takes.
func (c *conn) endHeaders(st *stream, last bool) {
	block := c.block
	next := func() (p []byte) {
		size := min(len(block), c.maximum)
		p, block = block[:size], block[size:]
		return p
	}
	first := next()
	_ = c.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: st.id, BlockFragment: first, EndStream: last, EndHeaders: len(block) == 0,
	})
	for len(block) > 0 {
		p := next()
		_ = c.frames.WriteContinuation(st.id, len(block) == 0, p)
	}
	c.block = c.block[:0]
}

// percent encodes a message for a header.
// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
func percent(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '%' {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

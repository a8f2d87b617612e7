package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

var (
	errCanceled = status.Error(codes.Canceled, "the client canceled the call")
	errGone     = status.Error(codes.Canceled, "the client closed the connection")
	errOver     = errors.New("the call has ended")
)

// prefixSize is how many bytes stand before a message: whether it is compressed (1), and
// its size (4).
// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
const prefixSize = 5

// stream is a call.
type stream struct {
	conn    *conn
	id      uint32
	method  string
	ctx     context.Context
	cancel  context.CancelCauseFunc
	message []byte // the last one that was sent
	request []byte // the last one that was received

	// Guarded by conn.mu.
	quick   bool         // it runs in the goroutine that reads the connection
	in      bytes.Buffer // what was received and not taken yet
	closed  bool         // nothing more is received
	arrived *sync.Cond   // there is more in in, or nothing more comes
	taken   int          // bytes of in that were taken since the window was renewed
	room    int64        // bytes that may be sent
	begun   bool         // the headers were sent
	sending bool         // a part of a message was sent, and the rest will be
	over    bool         // the call has ended but for that
	err     error        // why nothing can be sent and received any more
}

var _ grpc.ServerStream = (*stream)(nil)

// streamKey is the key of the stream in the context of its call.
type streamKey struct{}

func newStream(c *conn, id uint32, name string) *stream {
	st := &stream{conn: c, id: id, method: name, quick: c.server.Quick[name], room: c.initial, arrived: sync.NewCond(&c.mu)}
	st.ctx, st.cancel = context.WithCancelCause(context.WithValue(c.ctx, streamKey{}, st))
	return st
}

// Wait says that the call with this context is going to wait for something else than
// its own connection. Calls that are not quick need not say it.
func Wait(ctx context.Context) {
	if st, ok := ctx.Value(streamKey{}).(*stream); ok {
		st.conn.mu.Lock()
		st.leave()
		st.conn.flush()
	}
}

// leave lets another goroutine read the connection if this one did.
func (s *stream) leave() {
	if s.quick {
		s.quick = false
		go s.conn.read()
	}
}

// unlock unlocks the connection's mu. What a quick call left in out is written later.
func (s *stream) unlock() {
	if s.quick {
		s.conn.mu.Unlock()
	} else {
		s.conn.flush()
	}
}

// run runs the call and tells the client how it ended. It reports whether the caller is
// still the goroutine that reads the connection.
func (s *stream) run() bool {
	err := s.conn.server.call(s)
	how, ok := status.FromError(err)
	if !ok {
		how = status.FromContextError(err)
	}
	c := s.conn
	c.mu.Lock()
	quick := s.quick
	s.quick, s.over = false, true
	for s.sending && s.err == nil && c.failed == nil {
		c.more.Wait()
	}
	if s.err == nil {
		c.finish(s, how)
		c.end(s.id, errOver)
	}
	if quick {
		c.flushOnce()
	} else {
		c.flush()
	}
	return quick
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// SetHeader implements grpc.ServerStream; there is no metadata.
func (*stream) SetHeader(metadata.MD) error { return errors.ErrUnsupported }

// SendHeader implements grpc.ServerStream; there is no metadata.
func (*stream) SendHeader(metadata.MD) error { return errors.ErrUnsupported }

// SetTrailer implements grpc.ServerStream; there is no metadata.
func (*stream) SetTrailer(metadata.MD) {}

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(m any) error {
	if err := s.receive(); err != nil {
		return err
	}
	return proto.Unmarshal(s.request, m.(proto.Message))
}

// receive waits for a message and puts it into request.
func (s *stream) receive() error {
	c := s.conn
	c.mu.Lock()
	defer s.unlock()
	for {
		switch p, err := s.next(); {
		case err != nil:
			return err
		case p != nil:
			s.request = append(s.request[:0], p[prefixSize:]...)
			s.taken += len(p)
			c.renew(s.id, &s.taken)
			return nil
		}
		s.arrived.Wait()
	}
}

// next takes the next message with its prefix out of in, or returns nil if more of it
// has to come.
func (s *stream) next() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if in := s.in.Bytes(); len(in) >= prefixSize {
		size := int(binary.BigEndian.Uint32(in[1:]))
		switch {
		case in[0] != 0:
			return nil, status.Error(codes.Unimplemented, "the client sent a compressed message")
		case size > maxMessage:
			return nil, status.Errorf(codes.ResourceExhausted, "the client sent a message of %d bytes", size)
		case len(in) >= prefixSize+size:
			return s.in.Next(prefixSize + size), nil
		}
	}
	switch {
	case s.closed && s.in.Len() > 0:
		return nil, fmt.Errorf("receiving a message: %w", io.ErrUnexpectedEOF)
	case s.closed:
		return nil, io.EOF
	}
	return nil, nil
}

// SendMsg implements grpc.ServerStream. What a quick call sends first is written when it
// ends, waits, or sends more.
func (s *stream) SendMsg(m any) error {
	p, err := proto.MarshalOptions{}.MarshalAppend(append(s.message[:0], make([]byte, prefixSize)...), m.(proto.Message))
	if err != nil {
		return err
	}
	s.message = p
	binary.BigEndian.PutUint32(p[1:], uint32(len(p)-prefixSize)) // #nosec G115 -- a message is not that large
	c := s.conn
	c.mu.Lock()
	if s.over {
		defer c.mu.Unlock()
		return errOver
	}
	if s.begun {
		s.leave()
	}
	defer s.unlock()
	return c.sendAll(s, p)
}

// sendAll writes a message to out, as there is room for it.
func (c *conn) sendAll(s *stream, p []byte) error {
	for first := true; ; first = false {
		switch {
		case s.err != nil:
			return s.err
		case c.failed != nil:
			return c.failed
		case first:
			c.begin(s)
		}
		s.sending = true
		if p = c.send(s, p); len(p) == 0 {
			s.sending = false
			if s.over {
				c.more.Broadcast()
			}
			return nil
		}
		s.leave()
		c.flush()
		c.mu.Lock()
		for s.err == nil && c.failed == nil && min(s.room, c.room) <= 0 {
			c.more.Wait()
		}
	}
}

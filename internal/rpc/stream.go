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

	// Guarded by conn.mu.
	quick   bool         // it runs in the goroutine that reads the connection
	in      bytes.Buffer // what was received and not taken yet
	closed  bool         // nothing more is received
	arrived *sync.Cond   // there is more in in, or nothing more comes
	taken   int          // bytes of in that were taken since the window was renewed
	room    int64        // bytes that may be sent
	begun   bool         // the headers were sent
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
	if s.err == nil {
		s.err = errOver
		delete(c.streams, s.id)
		c.finish(s, how)
	}
	quick := s.quick
	c.flush()
	s.cancel(nil)
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
	c := s.conn
	c.mu.Lock()
	defer c.flush()
	for {
		switch p, err := s.next(); {
		case err != nil:
			return err
		case p != nil:
			err := proto.Unmarshal(p[prefixSize:], m.(proto.Message))
			s.taken += len(p)
			c.renew(s.id, &s.taken)
			return err
		}
		s.leave()
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
	if s.begun {
		s.leave()
	}
	if s.err == nil {
		c.begin(s)
	}
	for {
		switch {
		case s.err != nil:
			defer c.mu.Unlock()
			return s.err
		case c.failed != nil:
			defer c.mu.Unlock()
			return c.failed
		}
		if p = c.send(s, p); len(p) == 0 {
			break
		}
		s.leave()
		c.flush()
		c.mu.Lock()
		for s.err == nil && c.failed == nil && min(s.room, c.room) <= 0 {
			c.more.Wait()
		}
	}
	if s.quick {
		c.mu.Unlock()
		return nil
	}
	c.flush()
	return nil
}

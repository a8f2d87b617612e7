package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Server has services, which are registered before Serve is called.
type Server struct {
	// Quick has the full names of methods whose calls the goroutine answers that reads
	// the connection, until they have to wait or call Wait. They get one request.
	Quick map[string]bool

	methods map[string]method // by full name, "/service/method"
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

// method is a method of a service: unary, or else of streams.
type method struct {
	impl   any
	unary  grpc.MethodHandler
	stream grpc.StreamHandler
}

// RegisterService implements grpc.ServiceRegistrar.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if s.methods == nil {
		s.methods = make(map[string]method)
	}
	for _, m := range desc.Methods {
		s.methods["/"+desc.ServiceName+"/"+m.MethodName] = method{impl: impl, unary: m.Handler}
	}
	for _, m := range desc.Streams {
		s.methods["/"+desc.ServiceName+"/"+m.StreamName] = method{impl: impl, stream: m.Handler}
	}
}

// Serve answers the calls that come from r, on w, and returns nil when the client has
// closed the connection. Then the contexts of calls that still run end; it does not wait
// for them.
func (s *Server) Serve(r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(errGone)
	buffered := bufio.NewReaderSize(r, readAhead)
	c := newConn(ctx, s, buffered, w)
	err := c.greet(buffered)
	if err == nil {
		go c.read()
		err = <-c.ended
	}
	c.abandon()
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading from the client: %w", err)
	}
	return nil
}

// greet exchanges what a connection begins with.
func (c *conn) greet(r io.Reader) error {
	c.mu.Lock()
	_ = c.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	_ = c.frames.WriteWindowUpdate(0, window-startWindow)
	c.flush()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(r, preface); err != nil {
		return err
	}
	if string(preface) != http2.ClientPreface {
		return errors.New("it does not speak HTTP/2")
	}
	return nil
}

// call runs a call to its end.
func (s *Server) call(st *stream) error {
	m, there := s.methods[st.method]
	switch {
	case !there:
		return status.Errorf(codes.Unimplemented, "there is no method %q", st.method)
	case m.stream != nil:
		return m.stream(m.impl, st)
	}
	reply, err := m.unary(m.impl, st.ctx, st.RecvMsg, nil)
	if err != nil {
		return err
	}
	return st.SendMsg(reply)
}

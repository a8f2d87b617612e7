package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gconn "github.com/PlakarKorp/integration-grpc"
	"github.com/PlakarKorp/integration-grpc/importer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// patience is how long anything here may take.
const patience = 20 * time.Second

// service is an importer: Init, which is unary, Import, whose messages go both ways, and
// Open, whose answers are a stream.
type service struct {
	importer.UnimplementedImporterServer

	// open answers Open, ping Ping, both Import, unless that is nil.
	open func(path string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error
	ping func(ctx context.Context) error
	both func(stream grpc.BidiStreamingServer[importer.ImportRequest, importer.ImportResponse]) error
}

func (s *service) Init(_ context.Context, r *importer.InitRequest) (*importer.InitResponse, error) {
	return &importer.InitResponse{Origin: r.GetProto()}, nil
}

func (s *service) Ping(ctx context.Context, _ *importer.PingRequest) (*importer.PingResponse, error) {
	return &importer.PingResponse{}, s.ping(ctx)
}

// Import answers each message with the pathname in it.
func (s *service) Import(stream grpc.BidiStreamingServer[importer.ImportRequest, importer.ImportResponse]) error {
	if s.both != nil {
		return s.both(stream)
	}
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.Send(&importer.ImportResponse{Finished: true})
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&importer.ImportResponse{Record: request.GetResult().GetHeader()}); err != nil {
			return err
		}
	}
}

func (s *service) Open(r *importer.OpenRequest, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
	return s.open(r.GetRecord().GetPathname(), stream)
}

// pipes is a connection of two pipes, as plakar's to a plugin.
type pipes struct {
	r, w *os.File
	net.Conn
}

func (p pipes) Read(b []byte) (int, error)       { return p.r.Read(b) }
func (p pipes) Write(b []byte) (int, error)      { return p.w.Write(b) }
func (p pipes) Close() error                     { return errors.Join(p.r.Close(), p.w.Close()) }
func (p pipes) SetDeadline(time.Time) error      { return nil }
func (p pipes) SetReadDeadline(time.Time) error  { return nil }
func (p pipes) SetWriteDeadline(time.Time) error { return nil }
func (p pipes) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (p pipes) RemoteAddr() net.Addr             { return &net.UnixAddr{} }

// connect returns the two ends of a connection.
func connect(t testing.TB) (client, server pipes) {
	t.Helper()
	var err1, err2 error
	client.r, server.w, err1 = os.Pipe()
	server.r, client.w, err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(client.Close(), server.Close()) })
	return client, server
}

// serve serves s and returns grpc-go's client, what closes the connection, and how Serve
// ended.
func serve(t testing.TB, s *service) (client importer.ImporterClient, hangUp func(), ended <-chan error) {
	t.Helper()
	near, far := connect(t)
	done := make(chan error, 1)
	go func() {
		server := &Server{Quick: map[string]bool{importer.Importer_Open_FullMethodName: true}}
		importer.RegisterImporterServer(server, s)
		done <- server.Serve(far.r, far.w)
	}()
	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return near, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return importer.NewImporterClient(conn), func() { _ = near.Close() }, done
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// content is what the tests send: bytes that tell where they are.
func content(path string, size int) string {
	b := make([]byte, size, size+8)
	for i := 0; i < size; i += 8 {
		binary.BigEndian.PutUint64(b[i:i+8:i+8], uint64(len(path)<<56+i)) //nolint:gosec // positive
	}
	return string(b)
}

// sendAll sends text in messages of up to 128 KiB.
func sendAll(text string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
	for len(text) > 0 {
		n := min(len(text), 128<<10)
		if err := stream.Send(&importer.OpenResponse{Chunk: []byte(text[:n])}); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// fetch reads a whole file.
func fetch(ctx context.Context, client importer.ImporterClient, path string) (string, error) {
	stream, err := client.Open(ctx, &importer.OpenRequest{Record: &gconn.Record{Pathname: path}})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		b.Write(m.GetChunk())
	}
}

func TestFiles(t *testing.T) {
	sizes := map[string]int{"/empty": 0, "/small": 100, "/page": 8192, "/window": 70 << 10, "/messages": 300 << 10, "/large": 20 << 20}
	for _, waits := range []bool{false, true} {
		client, _, _ := serve(t, &service{open: func(path string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
			if waits {
				Wait(stream.Context())
			}
			return sendAll(content(path, sizes[path]), stream)
		}})
		var group sync.WaitGroup
		for range 3 {
			for path, size := range sizes {
				group.Go(func() {
					if text, err := fetch(within(t), client, path); err != nil || text != content(path, size) {
						t.Errorf("waits %v, %s: %d bytes, %v", waits, path, len(text), err)
					}
				})
			}
		}
		group.Wait()
	}
}

func TestUnary(t *testing.T) {
	client, _, _ := serve(t, &service{})
	long := strings.Repeat("é", 1<<20)
	r, err := client.Init(within(t), &importer.InitRequest{Proto: long})
	if err != nil || r.GetOrigin() != long {
		t.Errorf("%d bytes, %v", len(r.GetOrigin()), err)
	}
	_, err = client.Init(within(t), &importer.InitRequest{Proto: strings.Repeat("x", maxMessage)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too long: %v", err)
	}
}

// TestBothWays sends more than a window in both directions of one call.
func TestBothWays(t *testing.T) {
	client, _, _ := serve(t, &service{})
	stream, err := client.Import(within(t))
	if err != nil {
		t.Fatal(err)
	}
	const messages, size = 3000, 10 << 10
	name := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), size) }
	go func() {
		for i := range messages {
			if err := stream.Send(&importer.ImportRequest{Result: &gconn.Result{Header: &gconn.Record{Pathname: name(i)}}}); err != nil {
				return // what is received tells
			}
		}
		_ = stream.CloseSend()
	}()
	for i := range messages {
		m, err := stream.Recv()
		if err != nil || m.GetRecord().GetPathname() != name(i) {
			t.Fatalf("message %d: %d bytes, %v", i, len(m.GetRecord().GetPathname()), err)
		}
	}
	if m, err := stream.Recv(); err != nil || !m.GetFinished() {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("it does not end: %v", err)
	}
}

// TestErrors: what a call fails with reaches the client as it is.
func TestErrors(t *testing.T) {
	long := strings.Repeat("50 % of „größe“\n", 3000) // more than a frame
	for _, want := range []error{
		errors.New("short"), errors.New(long), status.Error(codes.NotFound, "with a code"), context.Canceled,
	} {
		client, _, _ := serve(t, &service{
			open: func(_ string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
				if err := sendAll("some of it", stream); err != nil {
					return err
				}
				return want
			},
			ping: func(context.Context) error { return want },
		})
		code := status.Code(want)
		if errors.Is(want, context.Canceled) {
			code = codes.Canceled
		}
		_, err := client.Ping(within(t), &importer.PingRequest{})
		if status.Code(err) != code || !strings.HasSuffix(want.Error(), status.Convert(err).Message()) {
			t.Errorf("%.50q: ping: %.100v", want, err)
		}
		text, err := fetch(within(t), client, "/")
		if text != "some of it" || status.Convert(err).Message() == "" || !strings.HasSuffix(want.Error(), status.Convert(err).Message()) {
			t.Errorf("%.50q: open: %q, %.100v", want, text, err)
		}
	}
	client, _, _ := serve(t, &service{})
	if _, err := client.Close(within(t), &importer.CloseRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method that is not there: %v", err)
	}
}

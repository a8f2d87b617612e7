package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"

	sdk "github.com/PlakarKorp/go-kloset-sdk"
	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/exporter"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/PlakarKorp/integration-postgresql/internal/rpc"
)

// exportStream is the call that has a whole restore.
type exportStream = grpc.BidiStreamingServer[proto.ExportRequest, proto.ExportResponse]

// exportServer serves one exporter to plakar. It does what go-kloset-sdk's server does
// (exporter.go of v1.1.0), over package rpc: plakar may send 8 MB ahead.
type exportServer struct {
	proto.UnimplementedExporterServer

	create exporter.ExporterFn

	exporter    exporter.Exporter
	concurrency int // plakar's workers
}

// serveExporter serves on standard input and output until plakar closes them.
func serveExporter(create exporter.ExporterFn) error {
	var s rpc.Server
	proto.RegisterExporterServer(&s, &exportServer{create: create})
	conn := sdk.NewStdioConn()
	return s.Serve(conn, conn)
}

// Init implements proto.ExporterServer.
func (s *exportServer) Init(ctx context.Context, request *proto.InitRequest) (*proto.InitResponse, error) {
	o := request.GetOptions()
	e, err := s.create(ctx, &connectors.Options{
		Hostname: o.GetHostname(), OperatingSystem: o.GetOs(), Architecture: o.GetArch(), CWD: o.GetCwd(),
		MaxConcurrency: int(o.GetMaxconcurrency()),
	}, request.GetProto(), request.GetConfig())
	if err != nil {
		return nil, err
	}
	s.exporter, s.concurrency = e, int(o.GetMaxconcurrency())
	return &proto.InitResponse{Origin: e.Origin(), Type: e.Type(), Root: e.Root(), Flags: uint32(e.Flags())}, nil
}

// Ping implements proto.ExporterServer.
func (s *exportServer) Ping(ctx context.Context, _ *proto.PingRequest) (*proto.PingResponse, error) {
	return &proto.PingResponse{}, s.exporter.Ping(ctx)
}

// Close implements proto.ExporterServer.
func (s *exportServer) Close(ctx context.Context, _ *proto.CloseRequest) (*proto.CloseResponse, error) {
	return &proto.CloseResponse{}, s.exporter.Close(ctx)
}

// Export implements proto.ExporterServer.
func (s *exportServer) Export(stream exportStream) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	records := make(chan *connectors.Record, s.concurrency)
	results := make(chan *connectors.Result, s.concurrency)
	var group errgroup.Group
	group.Go(func() error {
		defer close(records)
		return receiveRecords(ctx, stream, records)
	})
	group.Go(func() error {
		err := sendResults(stream, results)
		cancel(err) // without it the exporter would wait for ever
		return err
	})
	if err := s.exporter.Export(ctx, records, results); err != nil {
		return err
	}
	return group.Wait()
}

// receiveRecords passes on one record after another. The next one comes when the
// content of the one before is closed.
func receiveRecords(ctx context.Context, stream exportStream, records chan<- *connectors.Record) error {
	for {
		request, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case request.GetRecord() == nil:
			return fmt.Errorf("plakar sent %T in place of a record", request.GetPacket())
		}
		record, err := protocol.RecordFromProto(request.GetRecord())
		if err != nil {
			return err
		}
		closed := make(chan struct{})
		if request.GetRecord().GetHasReader() {
			record.Reader = &chunks{stream: stream, closed: closed}
		} else {
			close(closed)
		}
		select {
		case records <- record:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-closed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func sendResults(stream exportStream, results <-chan *connectors.Result) error {
	for result := range results {
		if err := stream.Send(&proto.ExportResponse{Result: protocol.ResultToProto(result)}); err != nil {
			return err
		}
	}
	return nil
}

// chunks is the content of a record: messages until an empty one.
type chunks struct {
	stream exportStream
	rest   []byte // of the last message
	err    error  // how the content ended
	closed chan struct{}
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 && c.err == nil {
		c.rest, c.err = c.next()
	}
	if len(c.rest) == 0 {
		return 0, c.err
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *chunks) next() ([]byte, error) {
	request, err := c.stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("receiving the content from plakar: %w", err)
	}
	chunk, ok := request.GetPacket().(*proto.ExportRequest_Chunk)
	switch {
	case !ok:
		return nil, fmt.Errorf("plakar sent %T in place of content", request.GetPacket())
	case len(chunk.Chunk) == 0:
		return nil, io.EOF
	}
	return chunk.Chunk, nil
}

// Close implements io.Closer: it takes in what was not read, and lets the next record
// come.
func (c *chunks) Close() error {
	defer close(c.closed)
	for c.err == nil {
		_, c.err = c.next()
	}
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return c.err
}

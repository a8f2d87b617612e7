package plugin

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"sync"

	sdk "github.com/PlakarKorp/go-kloset-sdk"
	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/importer"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/importer"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/PlakarKorp/integration-postgresql/internal/rpc"
)

// messageSize is how much of a file goes into one message, in bytes. plakar copies a
// message several times, which is quicker in the processor's cache: 128 KiB took 3 to
// 5 % less time than 1 MiB or 64 KiB.
const messageSize = 128 << 10

// server serves one importer to plakar. It does what go-kloset-sdk's server does
// (importer.go of v1.1.0), which makes and clears a buffer of 1 MiB for every file and
// has a gRPC server that answers slowly: see package rpc.
type server struct {
	proto.UnimplementedImporterServer

	create importer.ImporterFn

	importer    importer.Importer
	concurrency int // plakar's workers
	readers     *protocol.HoldingReaders
	buffers     sync.Pool // *[]byte of messageSize
}

// serveImporter serves on standard input and output until plakar closes them.
func serveImporter(create importer.ImporterFn) error {
	s := &rpc.Server{Quick: map[string]bool{proto.Importer_Open_FullMethodName: true}}
	proto.RegisterImporterServer(s, &server{create: create})
	conn := sdk.NewStdioConn()
	return s.Serve(conn, conn)
}

// Init implements proto.ImporterServer.
func (s *server) Init(ctx context.Context, request *proto.InitRequest) (*proto.InitResponse, error) {
	o := request.GetOptions()
	i, err := s.create(ctx, &connectors.Options{
		Hostname: o.GetHostname(), OperatingSystem: o.GetOs(), Architecture: o.GetArch(), CWD: o.GetCwd(),
		MaxConcurrency: int(o.GetMaxconcurrency()), Excludes: o.GetExcludes(), NoXattr: o.GetNoxattr(),
	}, request.GetProto(), request.GetConfig())
	if err != nil {
		return nil, err
	}
	s.importer, s.concurrency, s.readers = i, int(o.GetMaxconcurrency()), protocol.NewHoldingReaders()
	return &proto.InitResponse{
		Origin: i.Origin(), Type: i.Type(), Root: i.Root(), Flags: uint32(i.Flags()),
	}, nil
}

// Ping implements proto.ImporterServer.
func (s *server) Ping(ctx context.Context, _ *proto.PingRequest) (*proto.PingResponse, error) {
	return &proto.PingResponse{}, s.importer.Ping(ctx)
}

// Close implements proto.ImporterServer.
func (s *server) Close(ctx context.Context, _ *proto.CloseRequest) (*proto.CloseResponse, error) {
	return &proto.CloseResponse{}, errors.Join(s.readers.Close(), s.importer.Close(ctx))
}

// Import implements proto.ImporterServer. An error of the importer ends the stream
// without the message that all records are there.
func (s *server) Import(stream grpc.BidiStreamingServer[proto.ImportRequest, proto.ImportResponse]) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	records := make(chan *connectors.Record, s.concurrency)
	results := make(chan *connectors.Result, s.concurrency)
	var group errgroup.Group
	// Without the one or the other the importer would wait for ever.
	ending := func(err error) error {
		if err != nil {
			cancel(err)
		}
		return err
	}
	group.Go(func() error { return ending(s.sendRecords(ctx, stream, records)) })
	group.Go(func() error {
		defer close(results)
		return ending(s.receiveResults(ctx, stream, results))
	})
	if err := s.importer.Import(ctx, records, results); err != nil {
		return err
	}
	return group.Wait()
}

func (s *server) sendRecords(ctx context.Context, stream grpc.ServerStreamingServer[proto.ImportResponse], records <-chan *connectors.Record) error {
	for {
		select {
		case record, more := <-records:
			if !more {
				return stream.Send(&proto.ImportResponse{Finished: true})
			}
			if record.Reader != nil {
				s.readers.Track(record)
			}
			if err := stream.Send(&proto.ImportResponse{Record: protocol.RecordToProto(record)}); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *server) receiveResults(ctx context.Context, stream grpc.BidiStreamingServer[proto.ImportRequest, proto.ImportResponse], results chan<- *connectors.Result) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		result, err := protocol.ResultFromProto(request.GetResult())
		if err != nil {
			return err
		}
		// What plakar did not open is closed here, what it did by Open.
		if r := s.readers.Get(&result.Record); r != nil {
			closeReader(r)
		}
		select {
		case results <- result:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// closeReader closes a record's content. How reading it ended is known already;
// plakar must not take it for broken because something could not be removed.
func closeReader(r io.Closer) {
	if err := r.Close(); err != nil {
		slog.Warn("cleaning up: " + err.Error())
	}
}

// blocker is what tells whether reading content may wait for a server, or whether the
// content is here.
type blocker interface{ Blocks() bool }

// Open implements proto.ImporterServer: it sends a record's content.
func (s *server) Open(request *proto.OpenRequest, stream grpc.ServerStreamingServer[proto.OpenResponse]) error {
	r := s.readers.Get(&connectors.Record{Pathname: request.GetRecord().GetPathname()})
	if r == nil {
		return fs.ErrNotExist
	}
	defer closeReader(r)
	if w, ok := r.(blocker); !ok || w.Blocks() {
		rpc.Wait(stream.Context())
	}
	return s.send(r, stream)
}

func (s *server) send(r io.Reader, stream grpc.ServerStreamingServer[proto.OpenResponse]) error {
	buffer, ok := s.buffers.Get().(*[]byte)
	if !ok {
		b := make([]byte, messageSize)
		buffer = &b
	}
	defer s.buffers.Put(buffer)
	for {
		n, err := r.Read(*buffer)
		if n > 0 {
			// Send has copied the chunk when it returns.
			if err := stream.Send(&proto.OpenResponse{Chunk: (*buffer)[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

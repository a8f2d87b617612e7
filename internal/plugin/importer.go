package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/importer"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/location"
	"google.golang.org/grpc"
)

// importStream is the call that has a whole backup: records go out, acknowledgements
// come in.
type importStream = grpc.BidiStreamingServer[proto.ImportRequest, proto.ImportResponse]

// importerServer serves a Source to plakar.
type importerServer struct {
	proto.UnimplementedImporterServer

	create  NewSource
	calls   *calls
	source  Source // nil before Init
	pending *pendingRecords
	buffers sync.Pool // *[]byte of messageSize: one cleared for every file is half a plugin's work
}

func registerImporter(create NewSource, c *calls) func(*grpc.Server) {
	return func(server *grpc.Server) {
		proto.RegisterImporterServer(server, newImporterServer(create, c))
	}
}

func newImporterServer(create NewSource, c *calls) *importerServer {
	return &importerServer{create: create, calls: c, pending: newPendingRecords(), buffers: sync.Pool{New: func() any {
		b := make([]byte, messageSize)
		return &b
	}}}
}

// Init implements proto.ImporterServer.
func (s *importerServer) Init(ctx context.Context, request *proto.InitRequest) (*proto.InitResponse, error) {
	ctx, done, err := s.calls.beginFirst(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	source, err := s.create(request.GetProto(), request.GetConfig(), os.Environ())
	if err != nil {
		return nil, sanitizeError(err)
	}
	if n, ok := source.(NoExcludes); ok && len(request.GetOptions().GetExcludes()) > 0 {
		return nil, sanitizeError(errors.Join(n.RefuseExcludes(), source.Close(ctx)))
	}
	s.source, s.calls.close = source, source.Close
	limitMemory(request.GetConfig())
	return &proto.InitResponse{
		Origin: source.Origin(), Type: source.Type(), Root: "/",
		// Import is called once, and waits for acknowledgements.
		Flags: uint32(location.FLAG_STREAM | location.FLAG_NEEDACK),
	}, nil
}

// Ping implements proto.ImporterServer.
func (s *importerServer) Ping(ctx context.Context, _ *proto.PingRequest) (*proto.PingResponse, error) {
	ctx, done, err := s.calls.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return &proto.PingResponse{}, sanitizeError(s.source.Ping(ctx))
}

// Close implements proto.ImporterServer.
func (s *importerServer) Close(context.Context, *proto.CloseRequest) (*proto.CloseResponse, error) {
	return &proto.CloseResponse{}, sanitizeError(s.calls.end())
}

// Import implements proto.ImporterServer.
func (s *importerServer) Import(stream importStream) error {
	ctx, done, err := s.calls.begin(stream.Context())
	if err != nil {
		return err
	}
	defer done()
	// What plakar left open is closed when the processes behind it know of their end.
	defer s.pending.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acknowledged := make(chan error, 1)
	go func() {
		err := s.receiveResults(stream)
		cancelOnError(cancel, err)
		acknowledged <- err
	}()
	if err := s.backup(ctx, stream); err != nil {
		return sanitizeError(err)
	}
	return <-acknowledged
}

// backup sends all records, waits until plakar is done with them, and announces success,
// after which plakar does not listen any more. An error is returned when plakar has
// acknowledged all that was sent: it may otherwise report "EOF" in its place.
func (s *importerServer) backup(ctx context.Context, stream importStream) error {
	var sending sync.Mutex
	err := s.source.Backup(ctx, func(record *connectors.Record) error {
		s.pending.add(record)
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(&proto.ImportResponse{Record: protocol.RecordToProto(record)})
	})
	failed, waitErr := s.pending.wait(ctx)
	if waitErr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = waitErr // which says why
	}
	if err != nil {
		return errors.Join(append([]error{err}, causes(failed)...)...)
	}
	if err := s.source.Finish(failed); err != nil {
		return err
	}
	return stream.Send(&proto.ImportResponse{Finished: true})
}

func causes(failed []RecordError) []error {
	errs := make([]error, 0, len(failed))
	for _, f := range failed {
		if !errors.Is(f.Err, ErrAborted) {
			errs = append(errs, f.Err)
		}
	}
	return errs
}

// receiveResults takes in acknowledgements until plakar has sent all.
func (s *importerServer) receiveResults(stream importStream) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if left, _ := s.pending.left(); left > 0 {
				return fmt.Errorf("plakar ended its acknowledgements with %d records left", left)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving plakar's acknowledgements: %w", err)
		}
		record := request.GetResult().GetHeader()
		s.pending.acknowledge(record.GetPathname(), record.GetFileInfo().GetSize())
	}
}

// Open implements proto.ImporterServer: it sends a record's content.
func (s *importerServer) Open(request *proto.OpenRequest, stream grpc.ServerStreamingServer[proto.OpenResponse]) error {
	_, done, err := s.calls.begin(stream.Context())
	if err != nil {
		return err
	}
	defer done()
	c := s.pending.open(request.GetRecord().GetPathname())
	if c == nil {
		return fs.ErrNotExist
	}
	defer c.closeOrWarn()
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	for {
		n, err := c.Read(*buffer)
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

// cancelOnError ends what would otherwise wait for ever.
func cancelOnError(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

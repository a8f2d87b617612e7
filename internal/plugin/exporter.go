package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/exporter"
	"github.com/PlakarKorp/kloset/connectors"
	"google.golang.org/grpc"
)

// exportStream is the call that has a whole restore: records with their content come in,
// results go out.
type exportStream = grpc.BidiStreamingServer[proto.ExportRequest, proto.ExportResponse]

// exporterServer serves a Target to plakar.
type exporterServer struct {
	proto.UnimplementedExporterServer

	create NewTarget
	calls  *calls
	target Target // nil before Init
}

func registerExporter(create NewTarget, c *calls) func(*grpc.Server) {
	return func(server *grpc.Server) {
		proto.RegisterExporterServer(server, &exporterServer{create: create, calls: c})
	}
}

// Init implements proto.ExporterServer.
func (s *exporterServer) Init(ctx context.Context, request *proto.InitRequest) (*proto.InitResponse, error) {
	ctx, done, err := s.calls.beginFirst(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	target, err := s.create(request.GetProto(), request.GetConfig(), os.Environ())
	if err != nil {
		return nil, sanitizeError(err)
	}
	if err := target.Precheck(ctx); err != nil {
		return nil, sanitizeError(errors.Join(err, target.Close(ctx)))
	}
	s.target, s.calls.close = target, target.Close
	limitMemory(request.GetConfig())
	return &proto.InitResponse{Origin: target.Origin(), Type: target.Type(), Root: "/"}, nil
}

// Ping implements proto.ExporterServer.
func (s *exporterServer) Ping(ctx context.Context, _ *proto.PingRequest) (*proto.PingResponse, error) {
	ctx, done, err := s.calls.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return &proto.PingResponse{}, sanitizeError(s.target.Ping(ctx))
}

// Close implements proto.ExporterServer.
func (s *exporterServer) Close(context.Context, *proto.CloseRequest) (*proto.CloseResponse, error) {
	return &proto.CloseResponse{}, sanitizeError(s.calls.end())
}

// Export implements proto.ExporterServer.
func (s *exporterServer) Export(stream exportStream) error {
	call, done, err := s.calls.begin(stream.Context())
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithCancelCause(call)
	defer cancel(nil)
	r := &restore{stream: stream, target: s.target, cancel: cancel}
	if err := r.records(ctx); err != nil {
		// First, so that nothing that waits takes this for the end of a whole restore.
		cancel(err)
		s.target.Abort()
		err = sanitizeError(errors.Join(append(r.failures(), err)...))
		// plakar may say "EOF" in its place.
		slog.Error(err.Error())
		r.discard(call)
		return err
	}
	err = s.target.Finish(ctx)
	r.letReport(ctx)
	return sanitizeError(errors.Join(append(r.failures(), err)...))
}

// restore is one call of Export.
type restore struct {
	stream exportStream
	target Target
	cancel context.CancelCauseFunc

	mu     sync.Mutex // guards what follows, and sending
	failed []error
	sent   time.Time // the last result
}

// records takes in one record after another until plakar has sent all.
func (r *restore) records(ctx context.Context) error {
	for {
		request, err := r.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("receiving the next record from plakar: %w", cause(ctx, err))
		case request.GetRecord() == nil:
			return fmt.Errorf("plakar sent %T in place of a record", request.GetPacket())
		}
		record, err := protocol.RecordFromProto(request.GetRecord())
		if err != nil {
			return fmt.Errorf("reading the next record of plakar: %w", err)
		}
		var content *recordReader
		if request.GetRecord().GetHasReader() {
			content = &recordReader{ctx: ctx, stream: r.stream, pathname: record.Pathname}
		}
		if err := r.record(ctx, record, content); err != nil {
			return err
		}
	}
}

// reportTime is what plakar is given to report the last result.
const reportTime = 50 * time.Millisecond

// letReport waits until plakar has most likely reported the last result: when the call ends it closes
// the channel for reports, and panics, with exit status 2, if one still comes.
// Source: Export in kloset's snapshot/export.go, which waits for nobody
func (r *restore) letReport(ctx context.Context) {
	r.mu.Lock()
	left := time.Until(r.sent.Add(reportTime))
	r.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(left):
	}
}

// discardTime is how long plakar may go on sending when the restore has failed.
const discardTime = 10 * time.Second

// discard takes in what plakar still sends, for a while: as long as plakar sends, it may notice
// the end of the call before the error, and say "EOF".
func (r *restore) discard(ctx context.Context) {
	for end := time.Now().Add(discardTime); ctx.Err() == nil && time.Now().Before(end); {
		if _, err := r.stream.Recv(); err != nil {
			return
		}
	}
}

// record hands one record to the target. What the target did not read of the content is
// taken in, for the next record comes after it, unless the restore stops there.
func (r *restore) record(ctx context.Context, record *connectors.Record, content *recordReader) error {
	ack := func(err error) { r.acknowledge(record, err) }
	switch {
	case record.Err != nil:
		ack(fmt.Errorf("%s: %w", record.Pathname, record.Err))
		if content == nil {
			return nil //nolint:nilerr // it is acknowledged
		}
		return content.drain()
	case content == nil:
		return r.target.Restore(ctx, record, nil, ack)
	}
	if err := r.target.Restore(ctx, record, content, ack); err != nil {
		return err
	}
	return content.drain()
}

// acknowledge sends plakar the result of a record.
func (r *restore) acknowledge(record *connectors.Record, err error) {
	result := protocol.ResultToProto(&connectors.Result{Record: *record, Err: sanitizeError(err)})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed = append(r.failed, err)
	}
	if err := r.stream.Send(&proto.ExportResponse{Result: result}); err != nil {
		r.cancel(err)
	}
	r.sent = time.Now()
}

func (r *restore) failures() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.failed...)
}

// recordReader is the content of a record: messages until an empty one.
type recordReader struct {
	ctx      context.Context
	stream   exportStream
	pathname string
	buf      []byte // of the last message
	err      error  // how the content ended, which stays: behind it begins the next record
}

// Read implements io.Reader.
func (r *recordReader) Read(p []byte) (int, error) {
	for len(r.buf) == 0 && r.err == nil && len(p) > 0 {
		r.buf, r.err = r.next()
	}
	if len(r.buf) == 0 {
		return 0, r.err
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

func (r *recordReader) next() ([]byte, error) {
	request, err := r.stream.Recv()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("receiving the content of %s from plakar: %w", r.pathname, cause(r.ctx, err))
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

// drain takes in what was not read.
func (r *recordReader) drain() error {
	for r.err == nil {
		_, r.err = r.next()
	}
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

// cause is why ctx ended if it has, which says more than what the stream reports then.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

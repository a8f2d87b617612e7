package plugin

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/exporter"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"
	"google.golang.org/grpc"
)

// send sends what messages says to an exporter with the target, and returns how it ends.
func send(t *testing.T, to *target, messages func(grpc.BidiStreamingClient[proto.ExportRequest, proto.ExportResponse])) error {
	t.Helper()
	client := proto.NewExporterClient(dial(t, registerExporter(targetOf(to), newCalls())))
	if _, err := client.Init(t.Context(), &proto.InitRequest{Options: &proto.Options{Maxconcurrency: 1}}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	messages(stream)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestUndecodable: what cannot be read is not taken for the end of a whole restore.
func TestUndecodable(t *testing.T) {
	for name, last := range map[string]*proto.ExportRequest{
		"a record without its details": {Packet: &proto.ExportRequest_Record{Record: &protocol.Record{Pathname: "/b"}}},
		"nothing":                      {},
		"content of no record":         chunk("rows"),
	} {
		to := &target{receive: func(_ *connectors.Record, content io.Reader, ack func(error)) error {
			_, err := io.Copy(io.Discard, content)
			ack(err)
			return nil
		}}
		err := send(t, to, func(stream grpc.BidiStreamingClient[proto.ExportRequest, proto.ExportResponse]) {
			for _, m := range []*proto.ExportRequest{record("/a"), chunk("one "), chunk(""), last} {
				_ = stream.Send(m)
			}
		})
		if err == nil || to.finished || !to.aborted || to.early {
			t.Errorf("%s: error %v, finished %v, aborted %v, before its context ended %v", name, err, to.finished, to.aborted, to.early)
		}
	}
}

func record(path string) *proto.ExportRequest {
	return &proto.ExportRequest{Packet: &proto.ExportRequest_Record{Record: protocol.RecordToProto(file(path, nil))}}
}

func chunk(text string) *proto.ExportRequest {
	return &proto.ExportRequest{Packet: &proto.ExportRequest_Chunk{Chunk: []byte(text)}}
}

// TestContents: what plakar sends is taken for complete only if it says so.
func TestContents(t *testing.T) {
	for _, test := range []struct {
		name, want, err string
		messages        []*proto.ExportRequest
		skip            bool // the target reads nothing
	}{
		{name: "whole", messages: []*proto.ExportRequest{record("/a"), chunk("one "), chunk("two"), chunk(""), record("/b"), chunk("")}, want: "/a:one two\n/b:\n"},
		{name: "not read", messages: []*proto.ExportRequest{record("/a"), chunk("one "), chunk("two"), chunk(""), record("/b"), chunk("")}, want: "/a:\n/b:\n", skip: true},
		{name: "cut off", messages: []*proto.ExportRequest{record("/a"), chunk("one ")}, err: "unexpected EOF"},
		{name: "cut off, not read", messages: []*proto.ExportRequest{record("/a"), chunk("one ")}, err: "unexpected EOF", skip: true},
		{name: "a record inside", messages: []*proto.ExportRequest{record("/a"), chunk("one "), record("/b")}, err: "in place of content"},
		{name: "content first", messages: []*proto.ExportRequest{chunk("one ")}, err: "in place of a record"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			keep := &target{receive: func(record *connectors.Record, content io.Reader, ack func(error)) error {
				defer ack(nil)
				got.WriteString(record.Pathname + ":")
				defer got.WriteString("\n")
				if test.skip {
					return nil
				}
				_, err := io.Copy(&got, content)
				return err
			}}
			err := send(t, keep, func(stream grpc.BidiStreamingClient[proto.ExportRequest, proto.ExportResponse]) {
				for _, m := range test.messages {
					if err := stream.Send(m); err != nil {
						return // how it ends says why
					}
				}
			})
			switch {
			case test.err == "" && err != nil:
				t.Error(err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("%v, want %q", err, test.err)
			case test.err == "" && got.String() != test.want:
				t.Errorf("%q, want %q", got.String(), test.want)
			}
		})
	}
}

// target restores records by reading them in its own way.
type target struct {
	receive func(r *connectors.Record, content io.Reader, ack func(error)) error
	finish  error
	refuses error // of Precheck

	ctx                      context.Context // of the last Restore
	finished, aborted, early bool            // early: aborted before the context's end
	closed                   int
}

func (*target) Origin() string                   { return "host:5432" }
func (*target) Type() string                     { return "postgres" }
func (*target) Ping(context.Context) error       { return nil }
func (t *target) Precheck(context.Context) error { return t.refuses }
func (t *target) Close(context.Context) error    { t.closed++; return nil }
func (t *target) Finish(context.Context) error   { t.finished = true; return t.finish }
func (t *target) Abort() {
	t.aborted = true
	if t.ctx != nil && t.ctx.Err() == nil {
		t.early = true
	}
}
func (t *target) Restore(ctx context.Context, r *connectors.Record, content io.Reader, ack func(error)) error {
	t.ctx = ctx
	return t.receive(r, content, ack)
}

// strict is content in plakar: it must not be read after its end, and be closed once.
type strict struct {
	t      *testing.T
	r      io.Reader
	ended  bool
	closed int
}

func (s *strict) Read(p []byte) (int, error) {
	if s.ended {
		s.t.Error("read after the end")
	}
	n, err := s.r.Read(p)
	s.ended = err != nil
	return n, err
}

func (s *strict) Close() error {
	s.closed++
	return nil
}

func TestExport(t *testing.T) {
	broken := errors.New("pg_restore: exit status 1")
	for name, c := range map[string]struct {
		receive func(*connectors.Record, io.Reader, func(error)) error
		finish  error
		want    []string // in the error; none for success
	}{
		"read twice": {func(_ *connectors.Record, content io.Reader, ack func(error)) error {
			for range 2 {
				if _, err := io.Copy(io.Discard, content); err != nil {
					t.Error(err)
				}
			}
			ack(nil)
			return nil
		}, nil, nil},
		"a record fails": {func(r *connectors.Record, _ io.Reader, ack func(error)) error {
			if r.Pathname == "/a" {
				ack(broken)
			} else {
				ack(nil)
			}
			return nil
		}, nil, []string{"exit status 1"}},
		"the whole fails too": {func(_ *connectors.Record, _ io.Reader, ack func(error)) error { ack(broken); return nil }, errors.New("incomplete"),
			[]string{"exit status 1", "incomplete"}},
		"stop at once": {func(*connectors.Record, io.Reader, func(error)) error { return errors.New("refused") }, nil, []string{"refused"}},
	} {
		readers := []*strict{{t: t, r: strings.NewReader("a")}, {t: t, r: strings.NewReader("b")}}
		records := make(chan *connectors.Record, 2)
		records <- &connectors.Record{Pathname: "/a", Reader: readers[0], FileInfo: objects.FileInfo{Lname: "a"}}
		records <- &connectors.Record{Pathname: "/b", Reader: readers[1], FileInfo: objects.FileInfo{Lname: "b"}}
		close(records)
		results := make(chan *connectors.Result, 2)
		to := &target{receive: c.receive, finish: c.finish}
		err := exporterOf(t, to).Export(t.Context(), records, results)
		if stopped := name == "stop at once"; to.finished == stopped || to.aborted != stopped || to.early {
			t.Errorf("%s: finished %v, aborted %v, before its context ended %v", name, to.finished, to.aborted, to.early)
		}
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
		acknowledged := 2
		if to.aborted {
			acknowledged = 0
		}
		if readers[0].closed != 1 || readers[1].closed != 1 || len(results) != acknowledged {
			t.Errorf("%s: closed %d and %d times, %d results", name, readers[0].closed, readers[1].closed, len(results))
		}
	}
}

// TestPrecheck: a restore that cannot begin is refused before plakar sends anything, and the
// connector is closed: plakar does not do it.
func TestPrecheck(t *testing.T) {
	to := &target{refuses: errors.New("the directory is not empty")}
	conn := dial(t, registerExporter(targetOf(to), newCalls()))
	_, err := proto.NewExporter(t.Context(), conn, &connectors.Options{}, "postgres", nil)
	if err == nil || err.Error() != "the directory is not empty" || to.closed != 1 {
		t.Errorf("%v, closed %d times", err, to.closed)
	}
}

func TestExportOfAnUnreadableRecord(t *testing.T) {
	records := make(chan *connectors.Record, 1)
	records <- connectors.NewError("/a", errors.New("chunk is missing"))
	close(records)
	err := exporterOf(t, &target{receive: func(*connectors.Record, io.Reader, func(error)) error {
		t.Error("received")
		return nil
	}}).Export(t.Context(), records, make(chan *connectors.Result, 1))
	if err == nil || !strings.Contains(err.Error(), "/a: chunk is missing") {
		t.Error(err)
	}
}

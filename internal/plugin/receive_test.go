package plugin

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	protocol "github.com/PlakarKorp/integration-grpc"
	proto "github.com/PlakarKorp/integration-grpc/exporter"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/PlakarKorp/integration-postgresql/internal/rpc"
)

// dial returns grpc-go's end of a connection.
func dial(t *testing.T, near net.Conn) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return near, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// restore sends what send says to an exporter with the target, and returns how it ends.
func restore(t *testing.T, to *target, send func(grpc.BidiStreamingClient[proto.ExportRequest, proto.ExportResponse])) error {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	go func() {
		var s rpc.Server
		proto.RegisterExporterServer(&s, &exportServer{create: func(context.Context, *connectors.Options, string, map[string]string) (exporter.Exporter, error) {
			return NewExporter(to), nil
		}})
		_ = s.Serve(far, far)
	}()
	client := proto.NewExporterClient(dial(t, near))
	if _, err := client.Init(t.Context(), &proto.InitRequest{Options: &proto.Options{Maxconcurrency: 1}}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send(stream)
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
			err := restore(t, keep, func(stream grpc.BidiStreamingClient[proto.ExportRequest, proto.ExportResponse]) {
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

package plugin

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	proto "github.com/PlakarKorp/integration-grpc/importer"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"
	"google.golang.org/grpc/status"

	"github.com/PlakarKorp/integration-postgresql/internal/rpc"
)

// TestUnsendable: plakar gets to know why a record cannot be sent to it.
func TestUnsendable(t *testing.T) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	go func() {
		var s rpc.Server
		proto.RegisterImporterServer(&s, &server{create: importerFn(func(string, map[string]string, []string) (Source, error) {
			return &source{records: []*connectors.Record{{Pathname: "/\xff", FileInfo: objects.FileInfo{Lname: "x"}}}}, nil
		}, newLife())})
		_ = s.Serve(far, far)
	}()
	client := proto.NewImporterClient(dial(t, near))
	if _, err := client.Init(t.Context(), &proto.InitRequest{Options: &proto.Options{Maxconcurrency: 1}}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Import(context.Background())
	for err == nil {
		_, err = stream.Recv()
	}
	if text := status.Convert(err).Message(); !strings.Contains(text, "invalid UTF-8") {
		t.Error(text)
	}
}

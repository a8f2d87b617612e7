package plugin

import (
	"context"
	"net"
	"testing"

	protoexporter "github.com/PlakarKorp/integration-grpc/exporter"
	protoimporter "github.com/PlakarKorp/integration-grpc/importer"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"github.com/PlakarKorp/kloset/connectors/importer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// dial serves what register registers, and returns plakar's end of the connection.
func dial(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(64 << 10)
	server := newServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func sourceOf(s Source) NewSource {
	return func(string, map[string]string, []string) (Source, error) { return s, nil }
}

func targetOf(to Target) NewTarget {
	return func(string, map[string]string, []string) (Target, error) { return to, nil }
}

// importerOf returns plakar's own client of a plugin that serves s.
func importerOf(t *testing.T, s Source, excludes ...string) (importer.Importer, error) {
	t.Helper()
	return connect(t, s, newCalls(), excludes...)
}

func connect(t *testing.T, s Source, c *calls, excludes ...string) (importer.Importer, error) {
	t.Helper()
	conn := dial(t, registerImporter(sourceOf(s), c))
	return protoimporter.NewImporter(t.Context(), conn, &connectors.Options{MaxConcurrency: 1, Excludes: excludes}, "postgres", nil)
}

// exporterOf returns plakar's own client of a plugin that serves to.
func exporterOf(t *testing.T, to Target) exporter.Exporter {
	t.Helper()
	e, err := protoexporter.NewExporter(t.Context(), dial(t, registerExporter(targetOf(to), newCalls())), &connectors.Options{MaxConcurrency: 1}, "postgres", nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

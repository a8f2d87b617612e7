package physical

import (
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// connTo is a connection to a server of the given version, as far as it has said.
func connTo(t *testing.T, version string) *replication.Conn {
	t.Helper()
	config, err := pgconn.ParseConfig("host=/none")
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	pg, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: client, TxStatus: 'I', Frontend: pgproto3.NewFrontend(client, client), Config: config,
		ParameterStatuses: map[string]string{"server_version": version},
	})
	if err != nil {
		t.Fatal(err)
	}
	return replication.New(pg)
}

// Which servers are asked for the stream by ourselves, and which cannot be backed up.
func TestMethod(t *testing.T) {
	for _, c := range []struct {
		version                   string
		catalogsRead, tablespaces bool
		own                       bool
		refused                   string // by pg_basebackup's way; "" if not
	}{
		{version: "15.18 (Debian 15.18-0+deb12u1)", catalogsRead: true, tablespaces: true, own: true},
		{version: "18.6", catalogsRead: true, own: false, refused: "pg_basebackup"}, // which is not in the directory
		{version: "18.6", catalogsRead: false, own: true},
		{version: "19beta1", catalogsRead: true, tablespaces: true, own: true},
		{version: "14.3", catalogsRead: true, tablespaces: true, refused: "needs PostgreSQL 15"},
		{version: "14.3", catalogsRead: false, refused: "pg_basebackup"},
	} {
		s := &server{conn: connTo(t, c.version), catalogsRead: c.catalogsRead, tablespaces: c.tablespaces}
		if own := s.usesReplicationProtocol(); own != c.own {
			t.Errorf("%+v: %v", c, own)
		}
		if c.own {
			continue
		}
		source, err := New("postgres+bin", map[string]string{"location": "postgres+bin://h", "pg_bin_dir": t.TempDir()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i, ok := source.(*Importer)
		if !ok {
			t.Fatalf("%T", source)
		}
		if _, err := i.findTool(t.Context(), s); err == nil || !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, settings := range []map[string]string{
		{"location": "postgres+bin://h/shop"},
		{"location": "postgres+bin://h/?dbname=shop"},
		{"location": "postgres+bin://h", "database": "shop"},
		{"location": "postgres+bin://h", "jobs": "2"},
	} {
		if _, err := New("postgres+bin", settings, nil); err == nil {
			t.Errorf("accepted: %v", settings)
		}
	}
}

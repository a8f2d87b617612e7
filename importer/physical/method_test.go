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

// Which servers are asked over the replication protocol, and which cannot be backed up.
func TestMethod(t *testing.T) {
	for _, c := range []struct {
		version     string
		tablespaces bool
		protocol    []string          // the values of the option that choose it
		refused     map[string]string // the others, with what the error holds
	}{
		{version: "15.18 (Debian 15.18-0+deb12u1)", tablespaces: true, protocol: []string{"auto", "protocol"}, refused: map[string]string{"pg_basebackup": `option "method"`}},
		// pg_basebackup is not in the directory.
		{version: "18.6", protocol: []string{"auto", "protocol"}, refused: map[string]string{"pg_basebackup": "pg_bin_dir"}},
		{version: "19beta1", tablespaces: true, protocol: []string{"auto", "protocol"}, refused: map[string]string{"pg_basebackup": "tablespaces"}},
		{version: "14.3", tablespaces: true, refused: map[string]string{"auto": "needs PostgreSQL 15", "protocol": `option "method"`, "pg_basebackup": "needs PostgreSQL 15"}},
		{version: "14.3", refused: map[string]string{"auto": "pg_bin_dir", "protocol": "needs PostgreSQL 15", "pg_basebackup": "pg_bin_dir"}},
	} {
		s := &server{conn: connTo(t, c.version), catalogsRead: true, tablespaces: c.tablespaces}
		for _, option := range c.protocol {
			if m, err := importerWith(t, option).chooseMethod(t.Context(), s); err != nil || !m.protocol {
				t.Errorf("%s, method=%s: %+v %v", c.version, option, m, err)
			}
		}
		for option, want := range c.refused {
			if m, err := importerWith(t, option).chooseMethod(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, method=%s: %+v %v, want %q", c.version, option, m, err, want)
			}
		}
	}
}

// importerWith has an empty directory of tools.
func importerWith(t *testing.T, method string) *Importer {
	t.Helper()
	source, err := New("postgres+bin", map[string]string{"location": "postgres+bin://h", "pg_bin_dir": t.TempDir(), "method": method}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := source.(*Importer)
	if !ok {
		t.Fatalf("%T", source)
	}
	return i
}

func TestNewRefuses(t *testing.T) {
	for _, settings := range []map[string]string{
		{"location": "postgres+bin://h/shop"},
		{"location": "postgres+bin://h/?dbname=shop"},
		{"location": "postgres+bin://h", "database": "shop"},
		{"location": "postgres+bin://h", "jobs": "2"},
		{"location": "postgres+bin://h", "method": "rsync"},
	} {
		if _, err := New("postgres+bin", settings, nil); err == nil {
			t.Errorf("accepted: %v", settings)
		}
	}
}

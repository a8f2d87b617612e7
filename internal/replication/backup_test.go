package replication

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// served answers the first query with the given messages and closes the
// connection then.
func served(t *testing.T, messages ...pgproto3.BackendMessage) *Conn {
	t.Helper()
	var answer []byte
	for _, m := range messages {
		var err error
		if answer, err = m.Encode(answer); err != nil {
			t.Fatal(err)
		}
	}
	return answered(t, answer)
}

// answered is served with what is sent, whatever it is.
func answered(t *testing.T, answer []byte) *Conn {
	t.Helper()
	client, server := net.Pipe()
	config, err := pgconn.ParseConfig("host=/none")
	if err != nil {
		t.Fatal(err)
	}
	frontend := pgproto3.NewFrontend(client, client)
	frontend.SetMaxBodyLen(1 << 20)
	pg, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: client, TxStatus: 'I', Frontend: frontend, Config: config,
		ParameterStatuses: map[string]string{"server_version": "18.1 (Debian 18.1-1)"},
	})
	if err != nil {
		t.Fatal(err)
	}
	backend := pgproto3.NewBackend(server, server)
	go func() {
		defer func() { _ = server.Close() }()
		if _, err := backend.Receive(); err != nil {
			return
		}
		_, _ = server.Write(answer)
	}()
	t.Cleanup(func() { _ = client.Close() })
	return New(pg)
}

func data(text string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(text)} }

// prologue is what comes before the copy stream.
func prologue() []pgproto3.BackendMessage {
	return []pgproto3.BackendMessage{
		&pgproto3.RowDescription{},
		&pgproto3.DataRow{Values: [][]byte{[]byte("0/2000028"), []byte("1")}},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT")},
		&pgproto3.RowDescription{},
		&pgproto3.DataRow{Values: [][]byte{[]byte("16384"), []byte("/srv/a"), nil}},
		&pgproto3.DataRow{Values: [][]byte{nil, nil, nil}},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT")},
		&pgproto3.CopyOutResponse{},
	}
}

func epilogue() []pgproto3.BackendMessage {
	return []pgproto3.BackendMessage{
		&pgproto3.CopyDone{}, &pgproto3.RowDescription{},
		&pgproto3.DataRow{Values: [][]byte{[]byte("0/2000100"), []byte("1")}},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT")}, &pgproto3.ReadyForQuery{TxStatus: 'I'},
	}
}

// read returns the archives as "name=content", and how the backup ended.
func read(t *testing.T, c *Conn) (archives []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := c.BaseBackup(ctx, Options{Label: "test", Checkpoint: "fast"})
	if err != nil {
		return nil, err
	}
	if len(b.Tablespaces) != 1 || b.Tablespaces[0] != (Tablespace{OID: "16384", Location: "/srv/a"}) {
		t.Errorf("tablespaces %q", b.Tablespaces)
	}
	for {
		a, err := b.Next()
		if err != nil {
			return archives, err
		}
		content, err := io.ReadAll(a)
		if err != nil {
			return archives, err
		}
		archives = append(archives, a.Name+"="+string(content))
	}
}

func TestArchives(t *testing.T) {
	stream := append(prologue(),
		data("n16384.tar\x00/srv/a\x00"), data("dsome"), data("p\x00\x00\x00\x00\x00\x00\x00\x01"), data("d"), data("d more"),
		data("nbase.tar\x00\x00"), data("m"), data("d{}"),
	)
	c := served(t, append(stream, epilogue()...)...)
	if c.Major() != 18 {
		t.Errorf("major %d of %q", c.Major(), c.Version())
	}
	got, err := read(t, c)
	if want := "16384.tar=some more base.tar= backup_manifest={}"; strings.Join(got, " ") != want || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
}

// Whatever goes wrong is an error, and never the end.
func TestFailures(t *testing.T) {
	refused := &pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "requested WAL segment has already been removed", Hint: "keep more"}
	for name, c := range map[string]struct {
		messages []pgproto3.BackendMessage
		want     string
	}{
		"refused":             {[]pgproto3.BackendMessage{refused}, "keep more"},
		"no copy":             {[]pgproto3.BackendMessage{&pgproto3.ReadyForQuery{TxStatus: 'I'}}, "sent no backup"},
		"closed":              {nil, "EOF"},
		"closed in a file":    {append(prologue(), data("nbase.tar\x00\x00"), data("dx")), "EOF"},
		"closed at the end":   {append(prologue(), data("nbase.tar\x00\x00"), &pgproto3.CopyDone{}), "EOF"},
		"failed in a file":    {append(prologue(), data("nbase.tar\x00\x00"), data("dx"), refused), "already been removed"},
		"failed at the end":   {append(prologue(), data("nbase.tar\x00\x00"), &pgproto3.CopyDone{}, refused), "already been removed"},
		"no end in the WAL":   {append(prologue(), data("nbase.tar\x00\x00"), &pgproto3.CopyDone{}, &pgproto3.ReadyForQuery{TxStatus: 'I'}), "where it ends"},
		"unknown message":     {append(prologue(), data("z")), "unknown message"},
		"empty message":       {append(prologue(), data("")), "empty message"},
		"name without an end": {append(prologue(), data("nbase.tar")), "without a name"},
		"no name":             {append(prologue(), data("n\x00\x00")), "without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, served(t, c.messages...))
			if err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// The warnings that an entry is not sent are found by the routine, not by their words.
func TestOmissions(t *testing.T) {
	notice := func(severity, routine string) *pgproto3.NoticeResponse {
		return &pgproto3.NoticeResponse{SeverityUnlocalized: severity, Severity: "WARNUNG", Routine: routine, Message: "über »./" + severity + "«"}
	}
	stream := append(prologue(), data("nbase.tar\x00\x00"), notice("WARNING", "sendFile"), data("dx"), notice("WARNING", "sendDir"), notice("LOG", "sendDir"), data("dy"))
	var got []string
	b, err := served(t, append(stream, epilogue()...)...).BaseBackup(t.Context(), Options{Label: "test", Checkpoint: "fast", OnOmission: func(m string) { got = append(got, m) }})
	for err == nil {
		var a Archive
		if a, err = b.Next(); err == nil {
			_, err = io.Copy(io.Discard, a)
		}
	}
	if !errors.Is(err, io.EOF) || len(got) != 1 || got[0] != "über »./WARNING«" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCommand(t *testing.T) {
	got := Options{Label: "it's", Checkpoint: "spread", MaxRate: 32}.command()
	want := "BASE_BACKUP (LABEL 'it''s', CHECKPOINT 'spread', PROGRESS 0, WAIT 0, WAL 1, TABLESPACE_MAP 0, " +
		"MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', MAX_RATE 32)"
	if got != want {
		t.Error(got)
	}
}

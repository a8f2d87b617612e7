package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// MinMajor is the first major version whose BASE_BACKUP sends all tablespaces in
// one stream.
const MinMajor = 15

// ManifestName is the name of the archive that is no tar file but the backup
// manifest.
const ManifestName = "backup_manifest"

// Options are those of BASE_BACKUP.
type Options struct {
	Label string
	// Checkpoint is "fast" or "spread".
	Checkpoint string
	// MaxRate is in kB/s; 0 is no limit.
	MaxRate int
	// OnOmission is given the server's message, in whatever language it speaks, about
	// each directory entry that it does not send; nil to ignore them. It is called by
	// whoever reads the backup.
	OnOmission func(message string)
}

// Archive is a part of a backup.
type Archive struct {
	// Name is "base.tar" for the data directory, "<oid>.tar" for a tablespace,
	// or ManifestName.
	Name string
	// Reader is the content, valid until the next archive is asked for.
	io.Reader
}

// Tablespace is one besides the two built-in ones.
type Tablespace struct {
	OID string
	// Location is the target of its link in pg_tblspc.
	Location string
}

// Backup is a running BASE_BACKUP.
type Backup struct {
	// Tablespaces are those that the backup has an archive of.
	Tablespaces []Tablespace

	ctx        context.Context
	conn       *Conn
	onOmission func(message string)
	data       []byte // rest of the last message with data
	next       string // archive that follows the current one; "" for none yet
	copied     bool   // the copy stream has ended in order
	located    bool   // the server has said where the backup ends in the WAL
	err        error  // io.EOF at the end, or why it failed; stays
}

// BaseBackup starts a backup and waits for its checkpoint. ctx is for the whole
// backup. The server must be of MinMajor or later.
func (c *Conn) BaseBackup(ctx context.Context, o Options) (*Backup, error) {
	b := &Backup{ctx: ctx, conn: c, onOmission: o.OnOmission}
	c.backup = b
	c.pg.Frontend().Send(&pgproto3.Query{String: o.command()})
	if err := c.pg.Frontend().Flush(); err != nil {
		return nil, fmt.Errorf("starting the base backup: %w", err)
	}
	if err := b.begin(); err != nil {
		return nil, fmt.Errorf("starting the base backup: %w", err)
	}
	return b, nil
}

// command asks for the WAL within the stream, for CRC32C sums, and for links in
// pg_tblspc in place of a tablespace_map.
func (o Options) command() string {
	options := []string{
		"LABEL '" + strings.ReplaceAll(o.Label, "'", "''") + "'",
		"CHECKPOINT '" + o.Checkpoint + "'",
		"PROGRESS 0", "WAIT 0", "WAL 1", "TABLESPACE_MAP 0",
		"MANIFEST 'yes'", "MANIFEST_CHECKSUMS 'CRC32C'",
	}
	if o.MaxRate > 0 {
		options = append(options, fmt.Sprintf("MAX_RATE %d", o.MaxRate))
	}
	return "BASE_BACKUP (" + strings.Join(options, ", ") + ")"
}

// begin reads up to the start of the copy stream: the result with the starting
// position, then that with the tablespaces.
func (b *Backup) begin() error {
	results := 0
	for {
		message, err := b.receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			results++
		case *pgproto3.DataRow:
			// The row of the data directory has no OID.
			if results == 2 && len(m.Values) >= 2 && m.Values[0] != nil {
				b.Tablespaces = append(b.Tablespaces, Tablespace{OID: string(m.Values[0]), Location: string(m.Values[1])})
			}
		case *pgproto3.CopyOutResponse:
			return nil
		case *pgproto3.ReadyForQuery:
			return errors.New("the server sent no backup")
		}
	}
}

// Next returns the next archive, or io.EOF when the backup is complete and the
// server says so. It skips what was not read of the current one.
func (b *Backup) Next() (Archive, error) {
	b.data = nil
	for b.err == nil && b.next == "" {
		b.err = b.step()
		b.data = nil
	}
	if b.err != nil {
		return Archive{}, b.err
	}
	name := b.next
	b.next = ""
	return Archive{Name: name, Reader: archiveReader{b}}, nil
}

// step takes in messages until there is data, a new archive, or the end.
func (b *Backup) step() error {
	for {
		message, err := b.receive()
		if err != nil {
			return fmt.Errorf("receiving the base backup: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if done, err := b.take(m.Data); done || err != nil {
				return err
			}
		case *pgproto3.CopyDone:
			b.copied = true
		case *pgproto3.DataRow:
			b.located = b.copied
		case *pgproto3.ReadyForQuery:
			if !b.located {
				return errors.New("receiving the base backup: the server did not say where it ends in the WAL")
			}
			return io.EOF
		}
	}
}

// take reads one message of the copy stream. done tells that it was data or the
// start of an archive.
// Source: https://www.postgresql.org/docs/18/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP
func (b *Backup) take(data []byte) (done bool, err error) {
	if len(data) == 0 {
		return false, errors.New("receiving the base backup: empty message")
	}
	kind, rest := data[0], data[1:]
	switch kind {
	case 'd':
		b.data = rest
		return len(rest) > 0, nil
	case 'n':
		name, _, found := strings.Cut(string(rest), "\x00")
		if !found || name == "" {
			return false, errors.New("receiving the base backup: an archive without a name")
		}
		b.next = name
		return true, nil
	case 'm':
		b.next = ManifestName
		return true, nil
	case 'p':
		return false, nil
	}
	return false, fmt.Errorf("receiving the base backup: unknown message %q", kind)
}

func (b *Backup) receive() (pgproto3.BackendMessage, error) {
	message, err := b.conn.receive(b.ctx)
	if notice, ok := message.(*pgproto3.NoticeResponse); ok {
		b.notice(notice)
	}
	return message, err
}

// notice passes the warnings on that an entry of a directory is not sent. Their text is
// translated; the routine is not, and warns of nothing else.
// Source: sendDir in src/backend/backup/basebackup.c of PostgreSQL 15 to 18.
func (b *Backup) notice(n *pgproto3.NoticeResponse) {
	if b.onOmission != nil && n.Routine == "sendDir" && n.SeverityUnlocalized == "WARNING" {
		b.onOmission(n.Message)
	}
}

// archiveReader reads up to the end of the current archive.
type archiveReader struct{ b *Backup }

// Read fills p unless the archive ends before.
func (r archiveReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.b.data) == 0 {
			if r.b.err == nil && r.b.next == "" {
				r.b.err = r.b.step()
			}
			if r.b.next != "" || errors.Is(r.b.err, io.EOF) {
				if n > 0 {
					return n, nil
				}
				return 0, io.EOF
			}
			if r.b.err != nil {
				return n, r.b.err
			}
		}
		copied := copy(p[n:], r.b.data)
		r.b.data = r.b.data[copied:]
		n += copied
	}
	return n, nil
}

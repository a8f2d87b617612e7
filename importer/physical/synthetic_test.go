package physical

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

const (
	segmentSize = 1 << 20
	segment     = "pg_wal/000000010000000000000002"
)

// backup is a synthetic base backup: archives in order, with their entries.
type backup struct {
	tablespaces []replication.Tablespace
	archives    []archive
	manifest    func(text []byte) []byte // changes the manifest; nil for none
	inBase      bool                     // the manifest comes within base.tar, as from pg_basebackup
	cut         int                      // bytes of the last tar archive that are left, 0 for all
	end         error                    // of the stream, io.EOF for success
}

type archive struct {
	name    string
	entries []tar.Header // of a file, PAXRecords["content"] is the content
}

func file(name, content string) tar.Header {
	return tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o600, Uid: 101, Gid: 104,
		Uname: "postgres", ModTime: time.Unix(1700000000, 0), PAXRecords: map[string]string{"content": content},
	}
}

func directory(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700, Uid: 101, Gid: 104, Uname: "postgres"}
}

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, Uid: 101, Gid: 104, Uname: "postgres"}
}

// plain is a small complete backup.
func plain(more ...tar.Header) *backup {
	entries := append([]tar.Header{
		file("backup_label", "label"), directory("base"), directory("base/1"), file("base/1/1259", "pages"),
		file("base/1/big", strings.Repeat("b", 9<<20)), file("empty", ""), directory("./pg_wal/archive_status"),
		file("global/pg_control", strings.Repeat("c", controlSize)),
	}, more...)
	return &backup{
		archives: []archive{{baseArchive, append(entries, file(segment, strings.Repeat("w", segmentSize)))}},
		manifest: func(text []byte) []byte { return text }, inBase: true, end: io.EOF,
	}
}

// text is the backup manifest of what the archives hold.
func (b *backup) text() []byte {
	var files []map[string]any
	for _, a := range b.archives {
		prefix := ""
		if oid, _ := strings.CutSuffix(a.name, ".tar"); a.name != baseArchive {
			prefix = "pg_tblspc/" + oid + "/"
		}
		for _, h := range a.entries {
			if h.Typeflag != tar.TypeReg || strings.HasPrefix(h.Name, "pg_wal/0") {
				continue
			}
			sum := crc32.Checksum([]byte(h.PAXRecords["content"]), crc32.MakeTable(crc32.Castagnoli))
			files = append(files, map[string]any{
				"Path": prefix + h.Name, "Size": h.Size, "Checksum-Algorithm": "CRC32C",
				"Checksum": fmt.Sprintf("%08x", bits.ReverseBytes32(sum)),
			})
		}
	}
	list, _ := json.Marshal(files)
	text := fmt.Sprintf("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 7320280665284567118,\n\"Files\": %s,\n\"WAL-Ranges\": [\n"+
		"{ \"Timeline\": 1, \"Start-LSN\": \"0/200028\", \"End-LSN\": \"0/200100\" }\n],\n", list)
	return b.manifest(signed([]byte(text)))
}

// signed adds the manifest's own checksum.
func signed(text []byte) []byte {
	sum := sha256.Sum256(text)
	return append(text, fmt.Sprintf("\"Manifest-Checksum\": \"%s\"}\n", hex.EncodeToString(sum[:]))...)
}

func (b *backup) tar(a archive) io.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	entries := a.entries
	if a.name == baseArchive && b.inBase && b.manifest != nil {
		entries = append(slices.Clone(entries), file("backup_manifest", string(b.text())))
	}
	for _, h := range entries {
		content := h.PAXRecords["content"]
		h.PAXRecords = nil
		if err := errors.Join(w.WriteHeader(&h), func() error { _, err := io.WriteString(w, content); return err }()); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	if b.cut > 0 && a.name == b.archives[len(b.archives)-1].name {
		out.Truncate(b.cut)
	}
	return &out
}

// Next implements archives.
func (b *backup) source() archives {
	var all []replication.Archive
	for _, a := range b.archives {
		all = append(all, replication.Archive{Name: a.name, Reader: b.tar(a)})
	}
	if b.manifest != nil && !b.inBase {
		all = append(all, replication.Archive{Name: replication.ManifestName, Reader: bytes.NewReader(b.text())})
	}
	return &list{all: all, end: b.end}
}

type list struct {
	all []replication.Archive
	end error
}

func (l *list) Next() (replication.Archive, error) {
	if len(l.all) == 0 {
		return replication.Archive{}, l.end
	}
	next := l.all[0]
	l.all = l.all[1:]
	return next, nil
}

// saved is what plakar has of a record.
type saved struct {
	record  connectors.Record
	content string
}

// run backs b up the way plakar would, with the given number of workers, and gives
// what was read by path. Records whose path is in unread are closed only.
func run(t *testing.T, b *backup, workers int, diskSize uint64, unread ...string) (map[string]saved, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := tempfile.New(t.TempDir())
	defer func() { _ = dir.Close() }()
	records := make(chan *connectors.Record, workers)
	all := make(map[string]saved)
	var mu sync.Mutex
	var readers sync.WaitGroup
	for range workers {
		readers.Go(func() {
			for r := range records {
				s := saved{record: *r}
				if r.Reader != nil && !slices.Contains(unread, r.Pathname) {
					content, _ := io.ReadAll(r.Reader)
					s.content = string(content)
				}
				_ = r.Close()
				mu.Lock()
				if _, twice := all[r.Pathname]; twice {
					t.Errorf("%s was sent twice", r.Pathname)
				}
				all[r.Pathname] = s
				mu.Unlock()
			}
		})
	}
	emit := func(r *connectors.Record) error {
		select {
		case records <- r:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s := newRecordEmitter(ctx, emit, spool.New(dir, diskSize, diskSize/2), "7320280665284567118", b.tablespaces)
	err := s.run(b.source())
	if err == nil {
		err = s.check.verdict(true)
	}
	close(records)
	readers.Wait()
	return all, err
}

// resigned changes the manifest's text and gives it a checksum that fits.
func resigned(text []byte, old, changed string) []byte {
	body := text[:bytes.Index(text, []byte(`"Manifest-Checksum"`))]
	return signed(bytes.Replace(slices.Clone(body), []byte(old), []byte(changed), 1))
}

func sumOf(content string) string {
	return fmt.Sprintf("%08x", bits.ReverseBytes32(crc32.Checksum([]byte(content), crc32.MakeTable(crc32.Castagnoli))))
}

package physical

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// FuzzArchive: whatever a server sends in place of a tar archive, reading it ends,
// and no path leads out of the snapshot.
func FuzzArchive(f *testing.F) {
	small := &backup{archives: []archive{{baseArchive, append(plain().entries(),
		link("pg_tblspc/16384", "/somewhere"), file("../outside", "x"), file("/etc/passwd", "x"), link("loop", "../../x"))}}}
	text, err := io.ReadAll(small.tar(small.archives[0]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(baseArchive, text)
	f.Add("16384.tar", text[:1024])
	f.Add("../x.tar", text[:700])
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dir := tempfile.New(t.TempDir())
		defer func() { _ = dir.Close() }()
		var readers sync.WaitGroup
		emit := func(r *connectors.Record) error {
			if !path.IsAbs(r.Pathname) || path.Clean(r.Pathname) != r.Pathname || strings.ContainsRune(r.Pathname, 0) {
				t.Errorf("a record with the path %q", r.Pathname)
			}
			readers.Go(func() {
				if r.Reader != nil {
					_, _ = io.Copy(io.Discard, r.Reader)
				}
				_ = r.Close()
			})
			return nil
		}
		s := newRecordEmitter(ctx, emit, spool.New(dir, 1<<20, 0), "system", []replication.Tablespace{{OID: "16384", Location: "/somewhere"}})
		err := s.run(&list{all: []replication.Archive{{Name: name, Reader: bytes.NewReader(text)}}, end: io.EOF})
		if err == nil {
			err = s.check.verdict(true)
		}
		readers.Wait()
		if err == nil {
			t.Error("a backup without a backup manifest is taken for complete")
		}
		if ctx.Err() != nil {
			t.Error("it does not end")
		}
	})
}

// entries are the small ones of a backup's first archive.
func (b *backup) entries() (small []tar.Header) {
	for _, h := range b.archives[0].entries {
		if h.Size < 1000 {
			small = append(small, h)
		}
	}
	return small
}

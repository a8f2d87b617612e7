package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// store takes the place of plakar with one worker, as doc.go says what it does.
type store struct {
	files map[string]stored // of the previous snapshot
	next  map[string]stored // of this one
	fails []plugin.RecordError
	size  int // room for a segment
}

type stored struct {
	info    objects.FileInfo
	content []byte
}

// backup runs a backup of the server, and keeps a snapshot if it succeeds.
func (s *store) backup(t *testing.T, server *standIn, options ...string) error {
	t.Helper()
	settings := map[string]string{"location": "postgres+wal://u@" + server.listener.Addr().String() + "/?sslmode=disable"}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		settings[name] = value
	}
	source, err := New("postgres+wal", settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s.next, s.fails, s.size = make(map[string]stored), nil, int(server.size)+bytes.MinRead // #nosec G115 -- a segment's size
	records := make(chan *connectors.Record, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range records {
			s.take(r)
		}
	}()
	err = source.Backup(ctx, func(r *connectors.Record) error {
		records <- r
		return nil
	})
	close(records)
	<-done
	if err == nil {
		err = source.Finish(s.fails)
	}
	if cause := ctx.Err(); cause != nil {
		err = fmt.Errorf("it hangs: %w", err)
	}
	if closed := source.Close(t.Context()); closed != nil {
		t.Error(closed)
	}
	server.idle()
	if server.promised != 0 {
		t.Errorf("a commit up to %s would be acknowledged", server.promised)
	}
	if err == nil {
		s.files = s.next
	}
	return err
}

// take is what the worker does with a record.
func (s *store) take(r *connectors.Record) {
	if _, twice := s.next[r.Pathname]; twice {
		s.fails = append(s.fails, plugin.RecordError{Pathname: r.Pathname, Err: errors.New("a second record")})
	}
	told, asks := r.Reader.(plugin.Acknowledged)
	before, known := s.files[r.Pathname]
	info := r.FileInfo
	known = known && info.Ldev == before.info.Ldev && info.Lino == before.info.Lino && (info.Lsize < 0 || info.Lsize == before.info.Lsize)
	if known {
		s.next[r.Pathname] = before
	} else {
		var content bytes.Buffer
		if strings.HasPrefix(r.Pathname, "/wal/0") {
			content.Grow(s.size)
		}
		if _, err := content.ReadFrom(r.Reader); err != nil {
			s.fails = append(s.fails, plugin.RecordError{Pathname: r.Pathname, Err: err})
		}
		info.Lsize = int64(content.Len())
		s.next[r.Pathname] = stored{info: info, content: content.Bytes()}
	}
	if asks {
		told.Acknowledge(!known, s.next[r.Pathname].info.Lsize)
	}
	_ = r.Reader.Close()
}

// whole checks the snapshot: all WAL from a position to the end of the server's is there, as the
// server has it, and what lies before begin is not.
func (s *store) whole(t *testing.T, server *standIn, begin xlog.LSN) {
	t.Helper()
	for at := begin; at < server.end; at += xlog.LSN(server.size) {
		segment := server.history.SegmentAt(at, server.size)
		want, path := server.segment(segment), segment.Path()
		if segment.End() > server.end {
			clear(want[server.end-segment.Start:])
			path = segment.PartialPath()
		}
		if got, there := s.files[path]; !there || !bytes.Equal(got.content, want) {
			t.Errorf("%s: there %v, %d bytes which are not those of the server", path, there, len(got.content))
		}
	}
	if begin == xlog.LSN(server.size) {
		return
	}
	before, there := s.files[server.history.SegmentAt(begin-1, server.size).Path()]
	if !there || len(before.content) != 0 {
		t.Errorf("no empty file before %s: %v, %d bytes", begin, there, len(before.content))
	}
}

// refuses is a backup that has to fail with that in its message, and leaves the slot alone.
func (s *store) refuses(t *testing.T, server *standIn, want string, options ...string) {
	t.Helper()
	slot := server.slot
	err := s.backup(t, server, options...)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "it hangs") {
		t.Errorf("%v, want %q", err, want)
	}
	if slot != 0 && server.slot != slot {
		t.Errorf("the slot moved from %s to %s", slot, server.slot)
	}
}

func (s *store) must(t *testing.T, server *standIn, options ...string) {
	t.Helper()
	if err := s.backup(t, server, options...); err != nil {
		t.Fatal(err)
	}
}

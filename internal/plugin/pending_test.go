package plugin

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
)

// dump is content like that of pg_dump: some output, then it waits for the server. Close
// takes the time that a process takes to end.
type dump struct {
	journal
	closing chan struct{}
	end     chan struct{}
	started bool
}

func newDump() *dump { return &dump{closing: make(chan struct{}), end: make(chan struct{})} }

func (d *dump) Read(p []byte) (int, error) {
	if !d.started {
		d.started = true
		return copy(p, "some output"), nil
	}
	<-d.end
	return 0, io.ErrClosedPipe
}

func (d *dump) Close() error {
	close(d.closing)
	time.Sleep(200 * time.Millisecond)
	d.note("content closed")
	close(d.end)
	return nil
}

// dumpSource goes on with something else until its dump is being closed.
type dumpSource struct {
	source
	dump *dump
}

func (s *dumpSource) Backup(ctx context.Context, emit func(*connectors.Record) error) error {
	if err := s.source.Backup(ctx, emit); err != nil {
		return err
	}
	<-s.dump.closing
	return nil
}

func (s *dumpSource) Close(context.Context) error {
	s.dump.note("source closed")
	return nil
}

func newDumpSource() *dumpSource {
	d := newDump()
	return &dumpSource{source{records: []*connectors.Record{{Pathname: "/big", Reader: d}}}, d}
}

// TestFailureWhileClosing: a record counts as done only together with its failure.
func TestFailureWhileClosing(t *testing.T) {
	s := newDumpSource()
	i, err := importerOf(t, s)
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *connectors.Record)
	results := make(chan *connectors.Result)
	go func() {
		defer close(results)
		for r := range records {
			_, _ = r.Reader.Read(make([]byte, 2))
			_ = r.Reader.Close() // the store is full
			results <- r.Ok()
		}
	}()
	if err := i.Import(t.Context(), records, results); err == nil {
		t.Error("success, although plakar stopped reading")
	}
}

// TestContentIsClosedBeforeItsSource, also if plakar acknowledged it just before.
func TestContentIsClosedBeforeItsSource(t *testing.T) {
	s := newDumpSource()
	i, err := connect(t, s, newCalls())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records := make(chan *connectors.Record, 3)
	results := make(chan *connectors.Result)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = i.Import(ctx, records, results)
	}()
	r := <-records
	results <- r.Ok() // not opened: excluded
	<-s.dump.closing
	cancel()
	if err := i.Close(t.Context()); err != nil {
		t.Error(err)
	}
	close(results)
	<-ended
	if got, want := s.dump.String(), "content closed, source closed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOpenedOnce: content has one reader.
func TestOpenedOnce(t *testing.T) {
	p := newPendingRecords()
	p.add(file("/a", nil))
	if p.open("/a") == nil || p.open("/a") != nil || p.open("/b") != nil {
		t.Error("opened twice, or not at all")
	}
}

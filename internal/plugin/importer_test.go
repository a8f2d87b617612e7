package plugin

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// source sends its records; tolerant keeps the snapshot whatever failed.
type source struct {
	records  []*connectors.Record
	sendErr  error
	tolerant bool
	settled  []RecordError
}

func (s *source) Origin() string              { return "host:5432" }
func (s *source) Type() string                { return "postgres" }
func (s *source) Ping(context.Context) error  { return nil }
func (s *source) Close(context.Context) error { return nil }

func (s *source) Backup(_ context.Context, emit func(*connectors.Record) error) error {
	for _, r := range s.records {
		if err := emit(r); err != nil {
			return err
		}
	}
	return s.sendErr
}

func (s *source) Finish(failed []RecordError) error {
	s.settled = failed
	if s.tolerant {
		return nil
	}
	return errors.Join(causes(failed)...)
}

func file(pathname string, content io.Reader) *connectors.Record {
	return &connectors.Record{Pathname: pathname, Reader: io.NopCloser(content)}
}

// run backs up s with a host that deals with each record as it likes, and returns what
// plakar's client returns: nil if success was announced.
func run(ctx context.Context, t *testing.T, s *source, deal func(*connectors.Record)) error {
	t.Helper()
	i, err := importerOf(t, s)
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *connectors.Record)
	results := make(chan *connectors.Result)
	go func() {
		defer close(results)
		for r := range records {
			deal(r)
			results <- r.Ok()
		}
	}()
	return i.Import(ctx, records, results)
}

func readAll(r *connectors.Record) {
	if r.Reader != nil {
		_, _ = io.Copy(io.Discard, r.Reader)
	}
}

func TestImportAnnouncesSuccessOnly(t *testing.T) {
	broken := errors.New("pg_dump: exit status 1")
	good := func() *connectors.Record { return file("/good", strings.NewReader("x")) }
	bad := func() *connectors.Record { return file("/bad", iotest.ErrReader(broken)) }
	for name, c := range map[string]struct {
		source source
		deal   func(*connectors.Record)
		want   string // in the error; "" for success
	}{
		"all read":            {source{records: []*connectors.Record{{Pathname: "/"}, good()}}, readAll, ""},
		"unread":              {source{records: []*connectors.Record{good()}}, func(*connectors.Record) {}, ""},
		"a reader fails":      {source{records: []*connectors.Record{good(), bad()}}, readAll, "exit status 1"},
		"a tolerated failure": {source{records: []*connectors.Record{good(), bad()}, tolerant: true}, readAll, ""},
		"sending fails":       {source{records: []*connectors.Record{good()}, sendErr: errors.New("verification failed")}, readAll, "verification failed"},
		"both":                {source{records: []*connectors.Record{bad()}, sendErr: errors.New("verification failed")}, readAll, "exit status 1"},
		"plakar stops reading": {source{records: []*connectors.Record{file("/big", strings.NewReader(strings.Repeat("12345678", 4<<20)))}}, func(r *connectors.Record) {
			_, _ = r.Reader.Read(make([]byte, 2))
			_ = r.Reader.Close()
		}, "stopped reading"},
	} {
		err := run(t.Context(), t, &c.source, c.deal)
		if (err == nil) != (c.want == "") {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q lacks %q", name, err, c.want)
		}
	}
}

// The error comes after the last acknowledgement, not before.
func TestImportWaitsForAcknowledgements(t *testing.T) {
	i, err := importerOf(t, &source{records: []*connectors.Record{file("/bad", iotest.ErrReader(errors.New("broken")))}})
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *connectors.Record, 1)
	results := make(chan *connectors.Result)
	done := make(chan error, 1)
	go func() { done <- i.Import(t.Context(), records, results) }()
	r := <-records
	readAll(r)
	select {
	case _, more := <-records:
		t.Fatalf("another record (%v), or the end, before the acknowledgement", more)
	case <-time.After(50 * time.Millisecond):
	}
	results <- r.Ok()
	close(results)
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

func TestImportIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &source{records: []*connectors.Record{file("/a", strings.NewReader("a")), file("/b", strings.NewReader("b"))}}
	err := run(ctx, t, s, func(*connectors.Record) { cancel() })
	if status.Code(err) != codes.Canceled && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// acknowledged is content that keeps what it is told.
type acknowledged struct {
	io.ReadCloser
	opened bool
	size   int64
	times  int
}

func (a *acknowledged) Acknowledge(opened bool, size int64) {
	a.opened, a.size = opened, size
	a.times++
}

// TestAcknowledge: content gets to know whether plakar opened it, and the size that the
// previous snapshot has if not.
func TestAcknowledge(t *testing.T) {
	known := &acknowledged{ReadCloser: io.NopCloser(strings.NewReader("known"))}
	fresh := &acknowledged{ReadCloser: io.NopCloser(strings.NewReader("fresh"))}
	s := &source{records: []*connectors.Record{
		{Pathname: "/known", Reader: known, FileInfo: objects.FileInfo{Lname: "known", Lsize: -1}},
		{Pathname: "/fresh", Reader: fresh, FileInfo: objects.FileInfo{Lname: "fresh", Lsize: -1}},
	}}
	err := run(t.Context(), t, s, func(r *connectors.Record) {
		if r.Pathname == "/known" {
			r.FileInfo.Lsize = 5
			return
		}
		readAll(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if known.opened || known.size != 5 || known.times != 1 {
		t.Errorf("known: opened %v, size %d, told %d times", known.opened, known.size, known.times)
	}
	if !fresh.opened || fresh.times != 1 {
		t.Errorf("fresh: opened %v, told %d times", fresh.opened, fresh.times)
	}
}

// TestUnsendable: plakar gets to know why a record cannot be sent to it.
func TestUnsendable(t *testing.T) {
	s := &source{records: []*connectors.Record{{Pathname: "/\xff", FileInfo: objects.FileInfo{Lname: "x"}}}}
	if err := run(t.Context(), t, s, func(*connectors.Record) {}); err == nil || !strings.Contains(err.Error(), "invalid UTF-8") {
		t.Error(err)
	}
}

type whole struct{ source }

func (*whole) RefuseExcludes() error { return errors.New("all or nothing") }

// Only a source that must be whole cares for plakar's -ignore.
func TestExcludes(t *testing.T) {
	for _, c := range []struct {
		source   Source
		excludes []string
		refused  bool
	}{
		{&whole{}, []string{"a"}, true},
		{&whole{}, nil, false},
		{&source{}, []string{"a"}, false},
	} {
		_, err := importerOf(t, c.source, c.excludes...)
		if (err != nil) != c.refused {
			t.Errorf("%T %q: %v", c.source, c.excludes, err)
		}
	}
}

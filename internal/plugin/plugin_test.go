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
)

// source sends its records; tolerant keeps the snapshot whatever failed.
type source struct {
	records  []*connectors.Record
	sendErr  error
	tolerant bool
	settled  []RecordError
}

func (s *source) Origin() string             { return "host:5432" }
func (s *source) Type() string               { return "postgres" }
func (s *source) Ping(context.Context) error { return nil }
func (s *source) Close() error               { return nil }

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

// run imports from s with a host that deals with each record as it likes, and
// reports whether success was announced.
func run(ctx context.Context, s *source, deal func(*connectors.Record)) (announced bool, err error) {
	records := make(chan *connectors.Record)
	results := make(chan *connectors.Result)
	done := make(chan error, 1)
	go func() { done <- NewImporter(s).Import(ctx, records, results) }()
	defer close(results)
	for {
		select {
		case r, more := <-records:
			if !more {
				return true, <-done
			}
			deal(r)
			results <- r.Ok()
		case err := <-done:
			select {
			case _, more := <-records: // closed before, and both were ready
				return !more, err
			default:
				return false, err
			}
		}
	}
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
		"plakar stops reading": {source{records: []*connectors.Record{file("/big", strings.NewReader("12345"))}}, func(r *connectors.Record) {
			_, _ = r.Reader.Read(make([]byte, 2))
		}, "stopped reading"},
	} {
		announced, err := run(context.Background(), &c.source, c.deal)
		if announced != (c.want == "") || (err == nil) != announced {
			t.Errorf("%s: announced %v, error %v", name, announced, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q lacks %q", name, err, c.want)
		}
	}
}

// The error comes after the last acknowledgement, not before.
func TestImportWaitsForAcknowledgements(t *testing.T) {
	records := make(chan *connectors.Record, 1)
	results := make(chan *connectors.Result)
	done := make(chan error, 1)
	s := &source{records: []*connectors.Record{file("/bad", iotest.ErrReader(errors.New("broken")))}}
	go func() { done <- NewImporter(s).Import(context.Background(), records, results) }()
	r := <-records
	readAll(r)
	select {
	case err := <-done:
		t.Fatalf("returned %v before the acknowledgement", err)
	case <-time.After(50 * time.Millisecond):
	}
	results <- r.Ok()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	close(results)
}

func TestImportIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	announced, err := run(ctx, &source{records: []*connectors.Record{file("/a", strings.NewReader("a")), file("/b", strings.NewReader("b"))}},
		func(*connectors.Record) { cancel() })
	if announced || !errors.Is(err, context.Canceled) {
		t.Errorf("announced %v, error %v", announced, err)
	}
}

// target restores records by reading them in its own way.
type target struct {
	receive func(r *connectors.Record, content io.Reader, ack func(error)) error
	finish  error
}

func (*target) Origin() string                 { return "host:5432" }
func (*target) Type() string                   { return "postgres" }
func (*target) Ping(context.Context) error     { return nil }
func (*target) Close() error                   { return nil }
func (t *target) Finish(context.Context) error { return t.finish }
func (t *target) Restore(_ context.Context, r *connectors.Record, content io.Reader, ack func(error)) error {
	return t.receive(r, content, ack)
}

// strict is the SDK's reader: it must not be read after its end, and be closed once.
type strict struct {
	t      *testing.T
	r      io.Reader
	ended  bool
	closed int
}

func (s *strict) Read(p []byte) (int, error) {
	if s.ended {
		s.t.Error("read after the end")
	}
	n, err := s.r.Read(p)
	s.ended = err != nil
	return n, err
}

func (s *strict) Close() error {
	s.closed++
	return nil
}

func TestExport(t *testing.T) {
	broken := errors.New("pg_restore: exit status 1")
	for name, c := range map[string]struct {
		receive func(*connectors.Record, io.Reader, func(error)) error
		finish  error
		want    []string // in the error; none for success
	}{
		"read twice": {func(_ *connectors.Record, content io.Reader, ack func(error)) error {
			for range 2 {
				if _, err := io.Copy(io.Discard, content); err != nil {
					t.Error(err)
				}
			}
			ack(nil)
			return nil
		}, nil, nil},
		"a record fails": {func(r *connectors.Record, _ io.Reader, ack func(error)) error {
			if r.Pathname == "/a" {
				ack(broken)
			} else {
				ack(nil)
			}
			return nil
		}, nil, []string{"exit status 1"}},
		"the whole fails too": {func(_ *connectors.Record, _ io.Reader, ack func(error)) error { ack(broken); return nil }, errors.New("incomplete"),
			[]string{"exit status 1", "incomplete"}},
		"stop at once": {func(*connectors.Record, io.Reader, func(error)) error { return errors.New("refused") }, nil, []string{"refused"}},
	} {
		readers := []*strict{{t: t, r: strings.NewReader("a")}, {t: t, r: strings.NewReader("b")}}
		records := make(chan *connectors.Record, 2)
		records <- &connectors.Record{Pathname: "/a", Reader: readers[0]}
		records <- &connectors.Record{Pathname: "/b", Reader: readers[1]}
		close(records)
		results := make(chan *connectors.Result, 2)
		err := NewExporter(&target{c.receive, c.finish}).Export(context.Background(), records, results)
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
		if name != "stop at once" && (readers[0].closed != 1 || readers[1].closed != 1 || len(results) != 2) {
			t.Errorf("%s: closed %d and %d times, %d results", name, readers[0].closed, readers[1].closed, len(results))
		}
	}
}

func TestExportOfAnUnreadableRecord(t *testing.T) {
	records := make(chan *connectors.Record, 1)
	records <- connectors.NewError("/a", errors.New("chunk is missing"))
	close(records)
	err := NewExporter(&target{receive: func(*connectors.Record, io.Reader, func(error)) error {
		t.Error("received")
		return nil
	}}).Export(context.Background(), records, make(chan *connectors.Result, 1))
	if err == nil || !strings.Contains(err.Error(), "/a: chunk is missing") {
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
		create := importerFn(func(string, map[string]string, []string) (Source, error) { return c.source, nil }, newLife())
		_, err := create(t.Context(), &connectors.Options{Excludes: c.excludes}, "postgres", nil)
		if (err != nil) != c.refused {
			t.Errorf("%T %q: %v", c.source, c.excludes, err)
		}
	}
}

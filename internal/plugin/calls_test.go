package plugin

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
)

// journal notes what happens in which order.
type journal struct {
	mu     sync.Mutex
	events []string
}

func (j *journal) note(event string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.events, ", ")
}

// slowSource takes a moment to end what it began.
type slowSource struct {
	source
	journal
	began chan struct{}
}

func (s *slowSource) Backup(ctx context.Context, emit func(*connectors.Record) error) error {
	if err := emit(&connectors.Record{Pathname: "/a", Reader: journalReader{&s.journal}}); err != nil {
		return err
	}
	close(s.began)
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond)
	s.note("backup ended")
	return context.Cause(ctx)
}

func (s *slowSource) Close(context.Context) error {
	s.note("source closed")
	return errors.New("not removed")
}

// journalReader is content that notes when it is closed.
type journalReader struct{ *journal }

func (journalReader) Read([]byte) (int, error) { return 0, io.EOF }

func (r journalReader) Close() error {
	r.note("content closed")
	return nil
}

// TestEnd: whoever ends it, a call ends first, then the content that was left open, then
// the source, once; nothing begins after that.
func TestEnd(t *testing.T) {
	for _, how := range []string{"plakar closes", "plakar is gone", "plakar cancels and closes"} {
		t.Run(how, func(t *testing.T) {
			s := &slowSource{began: make(chan struct{})}
			c := newCalls()
			i, err := connect(t, s, c)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			results := make(chan *connectors.Result)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = i.Import(ctx, make(chan *connectors.Record, 1), results)
			}()
			<-s.began
			switch how {
			case "plakar closes":
				err = i.Close(t.Context())
			case "plakar is gone":
				err = c.end()
			default:
				cancel()
				err = i.Close(t.Context())
			}
			close(results)
			if err == nil || !strings.Contains(err.Error(), "not removed") {
				t.Errorf("closing: %v", err)
			}
			_ = c.end() // again, as a worker does in the end
			<-ended
			if got, want := s.String(), "backup ended, content closed, source closed"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if err := i.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), errShutdown.Error()) {
				t.Errorf("a call after the end: %v", err)
			}
		})
	}
}

// TestInit: there is one connector, and nothing to call before it is there.
func TestInit(t *testing.T) {
	c := newCalls()
	if _, _, err := c.begin(t.Context()); err == nil {
		t.Error("a call began before Init")
	}
	if _, err := connect(t, &source{}, c); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, &source{}, c); err == nil {
		t.Error("Init twice")
	}
}

// TestEndTwice: what has ended is not reported as late.
func TestEndTwice(t *testing.T) {
	c := newCalls()
	if _, err := connect(t, &source{}, c); err != nil {
		t.Fatal(err)
	}
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	c.lifetime.Exit(errShutdown)
	<-c.lifetime.Over()
	for range 50 {
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
	}
}

// failingSource fails at the moment when the plugin is ended.
type failingSource struct {
	source
	calls *calls
}

func (s *failingSource) Backup(_ context.Context, emit func(*connectors.Record) error) error {
	if err := emit(file("/a", strings.NewReader("a"))); err != nil {
		return err
	}
	s.calls.lifetime.End(errShutdown)
	return errors.New("verification failed")
}

// TestBothFailures: that plakar did not acknowledge everything does not hide why the
// backup failed.
func TestBothFailures(t *testing.T) {
	c := newCalls()
	i, err := connect(t, &failingSource{calls: c}, c)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan *connectors.Result)
	close(results)
	err = i.Import(t.Context(), make(chan *connectors.Record, 1), results)
	if err == nil || !strings.Contains(err.Error(), "verification failed") {
		t.Errorf("error %v", err)
	}
}

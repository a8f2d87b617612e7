package wal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

// identity is a device and an inode number. plakar takes a file from the previous
// snapshot if these and what else stat tells are the same.
type identity struct{ dev, ino uint64 }

// identify makes the identity of what texts say of the cluster.
func (s *server) identify(texts ...string) identity {
	return newIdentity(append([]string{s.end.SystemID}, texts...)...)
}

func newIdentity(texts ...string) identity {
	h := sha256.New()
	for _, text := range texts {
		_, _ = io.WriteString(h, text+"\x00")
	}
	sum := h.Sum(nil)
	return identity{dev: binary.BigEndian.Uint64(sum), ino: binary.BigEndian.Uint64(sum[8:])}
}

// modified is the time of all records but the manifest: part of their identity.
var modified = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// unknownSize lets plakar take a file from the previous snapshot whatever its size is.
const unknownSize = -1

func newRecord(pathname string, id identity, size int64, content io.ReadCloser) *connectors.Record {
	return &connectors.Record{Pathname: pathname, Reader: content, FileInfo: objects.FileInfo{
		Lname: path.Base(pathname), Lsize: size, Lmode: 0o600, LmodTime: modified, Ldev: id.dev, Lino: id.ino, Lnlink: 1,
	}}
}

// answer is what plakar did with a record.
type answer struct {
	known bool  // the previous snapshot has it, with size
	size  int64 // in bytes
}

// question is the content of a record of which plakar says first whether the previous
// snapshot has it. If not, plakar reads, and waits until the content is supplied: a
// worker of plakar is busy with it meanwhile, perhaps its only one.
type question struct {
	ctx      context.Context // ends the waiting
	answers  chan answer     // has room for all
	supplied chan io.ReadCloser

	reading sync.Once
	mu      sync.Mutex
	content io.ReadCloser // nil before it was supplied
}

var _ plugin.Acknowledged = (*question)(nil)

func newQuestion(ctx context.Context) *question {
	return &question{ctx: ctx, answers: make(chan answer, 2), supplied: make(chan io.ReadCloser, 1)}
}

// Read implements io.Reader.
func (q *question) Read(p []byte) (int, error) {
	q.reading.Do(func() {
		q.answers <- answer{}
		select {
		case content := <-q.supplied:
			q.mu.Lock()
			q.content = content
			q.mu.Unlock()
		case <-q.ctx.Done():
		}
	})
	q.mu.Lock()
	content := q.content
	q.mu.Unlock()
	if content == nil {
		return 0, plugin.ErrAborted
	}
	return content.Read(p)
}

// Acknowledge implements plugin.Acknowledged.
func (q *question) Acknowledge(opened bool, size int64) {
	if !opened {
		q.answers <- answer{known: true, size: size}
	}
}

// Close implements io.Closer.
func (q *question) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case content := <-q.supplied:
		q.content = content
	default:
	}
	if q.content == nil {
		return nil
	}
	return q.content.Close()
}

// supply gives the content that plakar waits for.
func (q *question) supply(content io.ReadCloser) { q.supplied <- content }

// supplyText is supply for a short text.
func (q *question) supplyText(text string) { q.supply(newText(text)) }

// ask sends a record, and waits for what plakar does with it.
func (r *run) ask(pathname string, id identity, size int64) (*question, answer, error) {
	q := newQuestion(r.ctx)
	if err := r.emit(newRecord(pathname, id, size, q)); err != nil {
		return nil, answer{}, err
	}
	select {
	case a := <-q.answers:
		if a.known && a.size < 0 {
			return nil, a, errDryRun
		}
		return q, a, nil
	case <-r.ctx.Done():
		return nil, answer{}, context.Cause(r.ctx)
	}
}

// askOrSupply is ask for a record with a short text as content.
func (r *run) askOrSupply(pathname string, id identity, text string) (known bool, err error) {
	q, a, err := r.ask(pathname, id, unknownSize)
	if err == nil && !a.known {
		q.supplyText(text)
	}
	return a.known, err
}

// errDryRun is the answer to a question in a dry run.
var errDryRun = errors.New("plakar asks for no content")

// fresh is the content of a record that the previous snapshot must not have.
type fresh struct {
	io.ReadCloser
	what    string
	answers *late
}

var _ plugin.Acknowledged = fresh{}

// Acknowledge implements plugin.Acknowledged.
func (f fresh) Acknowledge(opened bool, _ int64) {
	if !opened {
		f.answers.add(fmt.Errorf("%s is in the previous snapshot already, and what precedes it is not: %w", f.what, errOtherHistory))
	}
}

// late are errors that become known when all records have been sent.
type late struct {
	mu  sync.Mutex
	err error
}

func (l *late) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

func (l *late) error() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/PlakarKorp/kloset/connectors"
)

// pendingRecords are the records that plakar has not acknowledged yet.
type pendingRecords struct {
	mu      sync.Mutex
	content map[string]*content // by pathname; nil for a record without content
	failed  []RecordError
	notify  chan struct{}
}

func newPendingRecords() *pendingRecords {
	return &pendingRecords{content: make(map[string]*content), notify: make(chan struct{}, 1)}
}

func (p *pendingRecords) add(record *connectors.Record) {
	var c *content
	if record.Reader != nil {
		c = &content{ReadCloser: record.Reader}
		record.Reader = c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.content[record.Pathname] = c
}

// open returns the content of the record at pathname to its one reader; nil if it has
// none, was opened before or acknowledged.
func (p *pendingRecords) open(pathname string) *content {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.content[pathname]
	if c == nil || c.opened {
		return nil
	}
	c.opened = true
	return c
}

// acknowledge is called when plakar is done with the record at pathname, whose size it
// knows by now.
func (p *pendingRecords) acknowledge(pathname string, size int64) {
	p.mu.Lock()
	c, there := p.content[pathname]
	p.mu.Unlock()
	if !there {
		return
	}
	var err error
	if c != nil {
		err = c.result()
		if a, ok := c.ReadCloser.(Acknowledged); ok {
			a.Acknowledge(c.wasRead(), size)
		}
		c.closeOrWarn()
	}
	// Together: who finds nothing left must find the failure, too.
	p.mu.Lock()
	if err != nil {
		p.failed = append(p.failed, RecordError{Pathname: pathname, Err: err})
	}
	delete(p.content, pathname)
	p.mu.Unlock()
	select {
	case p.notify <- struct{}{}:
	default:
	}
}

// wait returns the records that failed when every record has been acknowledged.
func (p *pendingRecords) wait(ctx context.Context) ([]RecordError, error) {
	for {
		if left, failed := p.left(); left == 0 {
			return failed, nil
		}
		select {
		case <-p.notify:
		case <-ctx.Done():
			_, failed := p.left()
			return failed, context.Cause(ctx)
		}
	}
}

func (p *pendingRecords) left() (int, []RecordError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.content), slices.Clone(p.failed)
}

// close closes the content that plakar will not ask for any more.
func (p *pendingRecords) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.content {
		if c != nil {
			c.closeOrWarn()
		}
	}
}

// content is the content of a record. It notes how far plakar got with it. plakar may
// close it unread: the user excluded the file, or the previous snapshot has it.
type content struct {
	io.ReadCloser
	opened bool // guarded by pendingRecords

	mu      sync.Mutex
	read    bool
	err     error // the end: io.EOF, or a failure
	closing sync.Once
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	if err != nil {
		c.err = err
		if !errors.Is(err, io.EOF) {
			return n, sanitizeError(err)
		}
	}
	return n, err
}

// Close closes the content once. Whoever calls it returns when that is done.
func (c *content) Close() (err error) {
	c.closing.Do(func() { err = c.ReadCloser.Close() })
	return err
}

// closeOrWarn closes the content. How reading it ended is known already; plakar must not
// take it for broken because something could not be removed.
func (c *content) closeOrWarn() {
	if err := c.Close(); err != nil {
		slog.Warn("cleaning up: " + err.Error())
	}
}

func (c *content) wasRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// result is why the content does not count as read or left out; nil if it does.
func (c *content) result() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.read || errors.Is(c.err, io.EOF):
		return nil
	case c.err != nil:
		return c.err
	default:
		return fmt.Errorf("plakar stopped reading before the end: see its own message; is the store full?")
	}
}

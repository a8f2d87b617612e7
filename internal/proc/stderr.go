package proc

import (
	"strings"
	"sync"
)

// stderrBuffer keeps the beginning and the end of what is written to it.
type stderrBuffer struct {
	onLine func(string)
	keep   bool // although onLine is given the lines

	mu      sync.Mutex
	head    []byte
	last    []byte
	dropped bool
	line    []byte
}

// Limits of the text kept of stderr, in bytes; an error crosses to plakar as a
// gRPC status and should stay within a few KB.
const (
	headLimit = 1 << 10
	lastLimit = 2 << 10
	lineLimit = 16 << 10
)

// newStderrBuffer gives the lines to onLine instead of keeping the text, or to what c
// names for them beside that.
func newStderrBuffer(c Command, onLine func(string)) *stderrBuffer {
	if onLine != nil {
		return &stderrBuffer{onLine: onLine}
	}
	return &stderrBuffer{onLine: c.OnStderrLine, keep: true}
}

func (t *stderrBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.onLine != nil {
		t.split(p)
	}
	if !t.keep {
		return len(p), nil
	}
	rest := p
	if room := headLimit - len(t.head); room > 0 {
		n := min(room, len(rest))
		t.head = append(t.head, rest[:n]...)
		rest = rest[n:]
	}
	t.last = append(t.last, rest...)
	if cut := len(t.last) - lastLimit; cut > 0 {
		t.dropped = true
		t.last = append(t.last[:0], t.last[cut:]...)
	}
	return len(p), nil
}

func (t *stderrBuffer) split(p []byte) {
	for _, b := range p {
		if b == '\n' {
			t.emit()
		} else if len(t.line) < lineLimit {
			t.line = append(t.line, b)
		}
	}
}

func (t *stderrBuffer) emit() {
	t.onLine(strings.ToValidUTF8(strings.TrimRight(string(t.line), "\r"), "\uFFFD"))
	t.line = t.line[:0]
}

func (t *stderrBuffer) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.onLine != nil && len(t.line) > 0 {
		t.emit()
	}
}

func (t *stderrBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.head)
	if t.dropped {
		text += "\n[...]\n"
	}
	return strings.TrimSpace(strings.ToValidUTF8(text+string(t.last), "\uFFFD"))
}

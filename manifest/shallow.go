package manifest

import "io"

// nested is how many objects and lists in one another a Summary is read from: the document,
// its databases, and what one of them says of itself. Lists in that, such as its relations,
// are passed over.
const nested = 3

// shallow passes on a JSON text, in which objects and lists that are nested more deeply
// come out empty. A decoder takes many times as long to find their end. What is in them is
// not checked, but that they end.
type shallow struct {
	r     io.Reader
	buf   []byte
	left  []byte // of buf: what was read and not looked at
	err   error  // of r
	depth int
	state stateInJSON
}

type stateInJSON byte

const (
	outOfString stateInJSON = iota
	inString
	escaped // in a string, behind a backslash
)

func newShallow(r io.Reader) *shallow { return &shallow{r: r, buf: make([]byte, 64<<10)} }

// Read implements io.Reader.
func (s *shallow) Read(p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if len(s.left) == 0 {
			if s.err != nil {
				return 0, s.err
			}
			var read int
			read, s.err = s.r.Read(s.buf)
			s.left = s.buf[:read]
		}
		n = s.pass(p)
	}
	return n, nil
}

// pass moves bytes from left to p, but for those to be left out, until one of them is at its
// end. It returns how many are in p.
func (s *shallow) pass(p []byte) (n int) {
	for len(s.left) > 0 && n < len(p) {
		if s.depth > nested && !s.drop() {
			break
		}
		p[n] = s.left[0]
		s.step(p[n])
		s.left = s.left[1:]
		n++
	}
	return n
}

// drop leaves out what is nested too deeply. It reports whether left begins with the bracket
// that ends it.
func (s *shallow) drop() bool {
	for n, c := range s.left {
		if !significant[s.state][c] {
			continue
		}
		if s.depth == nested+1 && s.state == outOfString && (c == '}' || c == ']') {
			s.left = s.left[n:]
			return true
		}
		s.step(c)
	}
	s.left = nil
	return false
}

// step takes in one byte.
func (s *shallow) step(c byte) {
	switch {
	case s.state == escaped:
		s.state = inString
	case s.state == inString && c == '\\':
		s.state = escaped
	case c == '"':
		s.state ^= inString
	case s.state == inString:
	case c == '{' || c == '[':
		s.depth++
	case c == '}' || c == ']':
		s.depth--
	}
}

// significant are the bytes that step does something with.
var significant = func() (in [escaped + 1][256]bool) {
	for state, text := range []string{outOfString: "\"{}[]", inString: "\"\\"} {
		for _, c := range []byte(text) {
			in[state][c] = true
		}
	}
	for c := range in[escaped] {
		in[escaped][c] = true
	}
	return in
}()

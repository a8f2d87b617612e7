package sqlscript

import (
	"strings"
	"unicode/utf8"
)

// tokens are those of the statement, which was lexed before.
func (s Statement) tokens() []token {
	l := newLexer(s.SQL)
	if s.charLen != nil {
		l.charLen = s.charLen
	}
	var tokens []token
	for {
		t, more, err := l.next()
		if err != nil || !more {
			return tokens
		}
		tokens = append(tokens, t)
	}
}

// setting reads SET name = value. It is not ok if the statement is another one; SET SESSION
// AUTHORIZATION is one, too.
func (s Statement) setting() (name, value string, ok bool) {
	r := reader{tokens: s.tokens()}
	if !r.keyword("SET") {
		return "", "", false
	}
	if r.keyword("SESSION") && r.peek().is("AUTHORIZATION") {
		return "", "", false
	}
	r.keyword("LOCAL")
	if r.keyword("NAMES") {
		return "client_encoding", r.value(), true
	}
	name = r.name().Text
	if !r.symbol("=") {
		r.keyword("TO")
	}
	return name, r.value(), true
}

// maxSubject is how long a Subject may be, in bytes.
const maxSubject = 200

// Subject is how a message names the statement: its beginning, up to what may be secret.
func (s Statement) Subject() string {
	var words []string
	size := 0
	for _, t := range s.tokens() {
		if t.kind == text || t.is("WITH") || t.is("PASSWORD") || size > maxSubject {
			break
		}
		words = append(words, t.text)
		size += len(t.text)
	}
	return strings.ToValidUTF8(strings.Join(words, " "), "\uFFFD")
}

// Name is a name in a statement.
type Name struct {
	Text string // as it is in the catalogue
	// Self: one of the keywords for the role of the session (CURRENT_ROLE, CURRENT_USER,
	// SESSION_USER), or ALL, which it is one of.
	Self bool
}

// reader reads tokens from the left.
type reader struct {
	tokens []token
	pos    int
}

// peek is the next token; behind the end it is empty.
func (r *reader) peek() token { return r.ahead(0) }

func (r *reader) ahead(n int) token {
	if r.pos+n < len(r.tokens) {
		return r.tokens[r.pos+n]
	}
	return token{kind: symbol}
}

// keyword skips the keyword, if it is next.
func (r *reader) keyword(keyword string) bool { return r.skipIf(r.peek().is(keyword)) }

// symbol skips the symbol, if it is next.
func (r *reader) symbol(c string) bool { return r.skipIf(r.peek().isSymbol(c)) }

func (r *reader) skipIf(skip bool) bool {
	if skip {
		r.pos++
	}
	return skip
}

// value reads the value of a setting.
func (r *reader) value() string {
	t := r.peek()
	if t.kind != text {
		return r.name().Text
	}
	inside := t.text[strings.IndexByte(t.text, '\'')+1:]
	return strings.TrimSuffix(inside, "'")
}

// name reads an identifier. A qualified one keeps its dots.
func (r *reader) name() Name {
	n := r.part()
	for r.peek().isSymbol(".") {
		r.pos++
		n = Name{Text: n.Text + "." + r.part().Text}
	}
	return n
}

// maxName is the length of an identifier, in bytes, from which on the server cuts it off.
const maxName = 63

func (r *reader) part() Name {
	t := r.peek()
	if t.kind == symbol || t.kind == text {
		return Name{}
	}
	r.pos++
	if t.kind == quoted {
		return Name{Text: clip(r.unquote(t.text))}
	}
	for _, self := range []string{"CURRENT_ROLE", "CURRENT_USER", "SESSION_USER", "ALL"} {
		if t.is(self) {
			return Name{Text: strings.ToLower(t.text), Self: true}
		}
	}
	return Name{Text: clip(lower(t.text))}
}

// lower folds the letters that the server folds in every locale.
func lower(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for end > maxName-utf8.UTFMax && utf8.ValidString(name) && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}

// unquote is the identifier that is written between quotes. Behind U&"" there may be
// another character that escapes.
func (r *reader) unquote(written string) string {
	prefix, inside, _ := strings.Cut(written, `"`)
	name := strings.ReplaceAll(strings.TrimSuffix(inside, `"`), `""`, `"`)
	if prefix == "" {
		return name
	}
	escape := `\`
	if r.peek().is("UESCAPE") && r.ahead(1).kind == text {
		r.pos++
		escape = r.value()
		r.pos++
	}
	return unescape(name, escape)
}

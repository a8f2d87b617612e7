package sqlscript

import (
	"errors"
	"strings"
)

// kind is what a token is.
type kind int

const (
	word   kind = iota // a keyword, or an identifier without quotes
	quoted             // a quoted identifier: "a", U&"a"
	text               // a string constant of any kind
	number             // a numeric constant
	symbol             // any other byte
)

// token is a token of SQL, as it is written.
type token struct {
	kind       kind
	start, end int    // in what was lexed
	text       string // of that
	// escapes: a string constant in which backslashes escape although it has no E in front.
	escapes bool
}

// is reports whether the token is the keyword, which is given in upper case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

// isSymbol reports whether the token is the one byte.
func (t token) isSymbol(c string) bool { return t.kind == symbol && t.text == c }

// What a script may not have.
var (
	errOpenQuote   = errors.New("a quotation is not closed")
	errOpenComment = errors.New("a comment is not closed")
	errCommand     = errors.New("a command to psql, which does not belong there")
)

// lexer finds the tokens of a script.
type lexer struct {
	in       string
	pos      int
	standard bool // standard_conforming_strings
	charLen  func(string) int
}

func newLexer(in string) *lexer { return &lexer{in: in, standard: true, charLen: oneByte} }

// next returns the next token; more is false at the end.
func (l *lexer) next() (t token, more bool, err error) {
	if err := l.skipSpace(); err != nil || l.pos == len(l.in) {
		return token{}, false, err
	}
	t.start = l.pos
	err = l.scan(&t)
	t.end = l.pos
	t.text = l.in[t.start:t.end]
	return t, err == nil, err
}

// skipSpace skips white space and comments. A line that begins with a backslash is an error.
func (l *lexer) skipSpace() error {
	for l.pos < len(l.in) {
		rest := l.in[l.pos:]
		switch {
		case isSpace(rest[0]):
			l.pos++
		case strings.HasPrefix(rest, "--"):
			l.pos += lineLen(rest)
		case strings.HasPrefix(rest, "/*"):
			if err := l.skipComment(); err != nil {
				return err
			}
		case rest[0] == '\\' && l.atLineStart():
			return errCommand
		default:
			return nil
		}
	}
	return nil
}

// skipComment skips a comment between slashes, with those that are in it.
func (l *lexer) skipComment() error {
	depth, i := 0, l.pos
	for i < len(l.in) {
		switch rest := l.in[i:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			i += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			i += 2
			if depth == 0 {
				l.pos = i
				return nil
			}
		default:
			i += l.charLen(rest)
		}
	}
	return errOpenComment
}

// atLineStart reports whether there is only white space before on the line.
func (l *lexer) atLineStart() bool {
	before := strings.TrimRight(l.in[:l.pos], " \t\f\v")
	return before == "" || strings.HasSuffix(before, "\n") || strings.HasSuffix(before, "\r")
}

// scan reads the token that begins at pos, and moves pos to its end.
func (l *lexer) scan(t *token) error {
	rest := l.in[l.pos:]
	switch c := rest[0]; {
	case c == '\'':
		t.kind, t.escapes = text, !l.standard
		return l.scanString(!l.standard)
	case c == '"':
		t.kind = quoted
		return l.scanQuoted()
	case c == '$' && l.dollarTag() != "":
		t.kind = text
		return l.scanDollar(l.dollarTag())
	case isDigit(c):
		t.kind = number
		l.pos += 1 + prefixLen(rest[1:], isWordPart)
	case isWordStart(c):
		return l.scanWord(t)
	default:
		t.kind = symbol
		l.pos++
	}
	return nil
}

// scanWord reads a word, and what it is the prefix of.
func (l *lexer) scanWord(t *token) error {
	start := l.pos
	for l.pos < len(l.in) && (isWordPart(l.in[l.pos]) || l.in[l.pos] == '$') {
		l.pos += l.charLen(l.in[l.pos:])
	}
	name, rest := l.in[start:l.pos], l.in[l.pos:]
	switch {
	case strings.EqualFold(name, "E") && strings.HasPrefix(rest, "'"):
		t.kind = text
		return l.scanString(true)
	// With standard_conforming_strings off the server refuses U&'', and N'' escapes.
	case strings.EqualFold(name, "N") && strings.HasPrefix(rest, "'"):
		t.kind, t.escapes = text, !l.standard
		return l.scanString(!l.standard)
	case (strings.EqualFold(name, "B") || strings.EqualFold(name, "X")) && strings.HasPrefix(rest, "'"):
		t.kind = text
		return l.scanString(false)
	case strings.EqualFold(name, "U") && strings.HasPrefix(rest, "&'"):
		t.kind = text
		l.pos++
		return l.scanString(false)
	case strings.EqualFold(name, "U") && strings.HasPrefix(rest, `&"`):
		t.kind = quoted
		l.pos++
		return l.scanQuoted()
	}
	t.kind = word
	return nil
}

// scanString reads a string constant from its quote, with the parts that continue it
// on further lines.
func (l *lexer) scanString(escapes bool) error {
	for {
		if err := l.scanTo('\'', escapes); err != nil {
			return err
		}
		next := continuation(l.in[l.pos:])
		if next < 0 {
			return nil
		}
		l.pos += next
	}
}

// scanQuoted reads a quoted identifier from its quote.
func (l *lexer) scanQuoted() error { return l.scanTo('"', false) }

// scanTo reads from a quote to the one that closes it. A doubled one does not.
func (l *lexer) scanTo(quote byte, escapes bool) error {
	for i := l.pos + 1; i < len(l.in); {
		switch {
		case escapes && l.in[i] == '\\' && i+1 < len(l.in):
			i += 1 + l.charLen(l.in[i+1:])
		case l.in[i] != quote:
			i += l.charLen(l.in[i:])
		case strings.HasPrefix(l.in[i+1:], string(quote)):
			i += 2
		default:
			l.pos = i + 1
			return nil
		}
	}
	return errOpenQuote
}

// scanDollar reads a string constant between dollar quotes.
func (l *lexer) scanDollar(tag string) error {
	for i := l.pos + len(tag); i < len(l.in); i += l.charLen(l.in[i:]) {
		if strings.HasPrefix(l.in[i:], tag) {
			l.pos = i + len(tag)
			return nil
		}
	}
	return errOpenQuote
}

// continuation is how far the next part of a string constant is from the end of the
// one before, which has to be on another line; -1 if there is none.
func continuation(rest string) int {
	newline := false
	for i := 0; i < len(rest); {
		switch {
		case isSpace(rest[i]):
			newline = newline || rest[i] == '\n' || rest[i] == '\r'
			i++
		case strings.HasPrefix(rest[i:], "--"):
			i += lineLen(rest[i:])
		case rest[i] == '\'' && newline:
			return i
		default:
			return -1
		}
	}
	return -1
}

// dollarTag is the dollar quote at pos, "" if there is none.
func (l *lexer) dollarTag() string {
	i := l.pos + 1
	if i < len(l.in) && isWordStart(l.in[i]) {
		for i < len(l.in) && isWordPart(l.in[i]) {
			i += l.charLen(l.in[i:])
		}
	}
	if i < len(l.in) && l.in[i] == '$' {
		return l.in[l.pos : i+1]
	}
	return ""
}

// lineLen is the length of the line that rest begins with, without its end.
func lineLen(rest string) int {
	if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
		return end
	}
	return len(rest)
}

func prefixLen(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isSpace(c byte) bool     { return strings.IndexByte(" \t\n\r\f\v", c) >= 0 }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isWordPart(c byte) bool  { return isWordStart(c) || isDigit(c) }

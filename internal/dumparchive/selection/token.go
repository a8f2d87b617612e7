package selection

import (
	"iter"
	"slices"
	"strings"
)

// token is a word of SQL.
type token struct {
	text string
	kind tokenKind
}

type tokenKind byte

const (
	word   tokenKind = iota // a keyword or a name, not quoted
	quoted                  // a name in double quotes, without these
	symbol                  // one character of punctuation, a run of them for operators
	text                    // a string
)

// tokens yields the tokens of SQL that pg_dump wrote. It never fails: of text that is no
// SQL, any tokens come out.
func tokens(sql string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for sql != "" {
			var t token
			t, sql = next(sql)
			if (t.text != "" || t.kind == text || t.kind == quoted) && !yield(t) {
				return
			}
		}
	}
}

// next returns the token that SQL begins with; for a blank, an empty one.
func next(sql string) (token, string) {
	switch c := sql[0]; {
	case isBlank(c):
		return token{}, sql[1:]
	case c == '"':
		name, rest := untilQuote(sql[1:], '"', false)
		return token{name, quoted}, rest
	case c == '\'':
		value, rest := untilQuote(sql[1:], '\'', false)
		return token{value, text}, rest
	case strings.HasPrefix(sql, "E'"):
		value, rest := untilQuote(sql[2:], '\'', true)
		return token{value, text}, rest
	case c == '$':
		if value, rest, ok := dollarQuoted(sql); ok {
			return token{value, text}, rest
		}
	case isNameByte(c):
		n := run(sql, func(c byte) bool { return isNameByte(c) || c == '$' })
		return token{sql[:n], word}, sql[n:]
	case isOperatorByte(c):
		n := run(sql, isOperatorByte)
		return token{sql[:n], symbol}, sql[n:]
	}
	return token{sql[:1], symbol}, sql[1:]
}

// run returns how many bytes of a kind a text begins with.
func run(text string, kind func(byte) bool) int {
	n := 0
	for n < len(text) && kind(text[n]) {
		n++
	}
	return n
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func isOperatorByte(c byte) bool { return strings.IndexByte("+-*/<>=~!@#%^&|`?", c) >= 0 }

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// untilQuote returns what a quote ends, with doubled quotes taken for one.
func untilQuote(sql string, quote byte, backslashes bool) (value, rest string) {
	var b strings.Builder
	for n := 0; n < len(sql); n++ {
		switch {
		case backslashes && sql[n] == '\\' && n+1 < len(sql):
			n++
			b.WriteByte(sql[n])
		case sql[n] != quote:
			b.WriteByte(sql[n])
		case n+1 < len(sql) && sql[n+1] == quote:
			b.WriteByte(quote)
			n++
		default:
			return b.String(), sql[n+1:]
		}
	}
	return b.String(), ""
}

func dollarQuoted(sql string) (value, rest string, ok bool) {
	n := 1
	for n < len(sql) && isNameByte(sql[n]) {
		n++
	}
	if n == len(sql) || sql[n] != '$' {
		return "", "", false
	}
	tag := sql[:n+1]
	value, rest, _ = strings.Cut(sql[n+1:], tag)
	return value, rest, true
}

func (t token) isName() bool { return t.kind == word || t.kind == quoted }

// is reports whether the token is a keyword or a symbol.
func (t token) is(keyword string) bool {
	return (t.kind == word || t.kind == symbol) && t.text == keyword
}

// nameAfter returns the name, with or without a schema, that follows the first of the
// given keywords, and maybe ONLY.
func nameAfter(sql, schema string, keywords ...string) (name, bool) {
	found := false
	var first token // of a name with a schema
	parts := 0
	for t := range tokens(sql) {
		switch {
		case !found:
			found = slices.ContainsFunc(keywords, t.is)
		case parts == 0 && t.is("ONLY"):
		case parts == 0 && t.isName():
			first, parts = t, 1
		case parts == 1 && t.is("."):
			parts = 2
		case parts == 2 && t.isName():
			return name{first.text, t.text}, true
		default:
			return name{schema, first.text}.unless(parts == 0)
		}
	}
	return name{schema, first.text}.unless(parts == 0)
}

// unless returns a name, or that there is none.
func (n name) unless(none bool) (name, bool) {
	if none {
		return name{}, false
	}
	return n, true
}

// nameAfterLast is nameAfter for the last of a keyword.
func nameAfterLast(sql, schema, keyword string) (last name, ok bool) {
	rest := sql
	for rest != "" {
		var t token
		if t, rest = next(rest); t.is(keyword) {
			last, ok = nameAfter(keyword+" "+rest, schema, keyword)
		}
	}
	return last, ok
}

// startsWith reports whether SQL begins with some keywords.
func startsWith(sql string, keywords ...string) bool {
	for t := range tokens(sql) {
		if len(keywords) == 0 || !t.is(keywords[0]) {
			break
		}
		keywords = keywords[1:]
	}
	return len(keywords) == 0
}

// contains reports whether SQL has a keyword.
func contains(sql, keyword string) bool {
	for t := range tokens(sql) {
		if t.is(keyword) {
			return true
		}
	}
	return false
}

package selection

import "strings"

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

const operatorChars = "+-*/<>=~!@#%^&|`?"

// tokenize splits SQL that pg_dump wrote. It never fails: of text that is none, any
// tokens come out.
func tokenize(sql string) []token {
	var tokens []token
	for sql != "" {
		var t token
		t, sql = next(sql)
		if t.text != "" || t.kind == text || t.kind == quoted {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

func next(sql string) (token, string) {
	c := sql[0]
	switch {
	case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		return token{}, sql[1:]
	case c == '"':
		name, rest := untilQuote(sql[1:], '"', false)
		return token{name, quoted}, rest
	case c == '\'':
		value, rest := untilQuote(sql[1:], '\'', false)
		return token{value, text}, rest
	case (c == 'E' || c == 'e') && len(sql) > 1 && sql[1] == '\'':
		value, rest := untilQuote(sql[2:], '\'', true)
		return token{value, text}, rest
	case c == '$':
		if value, rest, ok := dollarQuoted(sql); ok {
			return token{value, text}, rest
		}
	case isNameByte(c):
		n := 1
		for n < len(sql) && (isNameByte(sql[n]) || sql[n] == '$') {
			n++
		}
		return token{sql[:n], word}, sql[n:]
	case strings.IndexByte(operatorChars, c) >= 0:
		n := 1
		for n < len(sql) && strings.IndexByte(operatorChars, sql[n]) >= 0 {
			n++
		}
		return token{sql[:n], symbol}, sql[n:]
	}
	return token{sql[:1], symbol}, sql[1:]
}

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

// nameAt returns the name, with or without a schema, that begins at a token.
func nameAt(tokens []token, n int, schema string) (name, bool) {
	if n < 0 || n >= len(tokens) || !tokens[n].isName() {
		return name{}, false
	}
	if n+2 < len(tokens) && tokens[n+1].is(".") && tokens[n+2].isName() {
		return name{tokens[n].text, tokens[n+2].text}, true
	}
	return name{schema, tokens[n].text}, true
}

// after returns the position that follows the first of the given keywords; 0: none.
func after(tokens []token, keywords ...string) int {
	for n, t := range tokens {
		for _, keyword := range keywords {
			if t.is(keyword) {
				return n + 1
			}
		}
	}
	return 0
}

// nameAfter returns the name that follows the first of the given keywords.
func nameAfter(tokens []token, schema string, keywords ...string) (name, bool) {
	n := after(tokens, keywords...)
	if n == 0 {
		return name{}, false
	}
	if n < len(tokens) && tokens[n].is("ONLY") {
		n++
	}
	return nameAt(tokens, n, schema)
}

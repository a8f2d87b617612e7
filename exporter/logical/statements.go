package logical

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// part is a piece of a script that pg_dumpall or pg_restore made: a statement with
// its semicolon, or what stands between statements (white space, a comment or one
// of psql's backslash commands up to the end of its line).
type part struct {
	text      string
	statement bool
	plain     bool // a statement that psql cannot read in another way
}

// split cuts a script into parts. Put together again they are the script.
func split(script string) []part {
	var parts []part
	for len(script) > 0 {
		p := next(script)
		parts = append(parts, p)
		script = script[len(p.text):]
	}
	return parts
}

// next returns what script begins with.
func next(script string) part {
	switch {
	case strings.ContainsRune(" \t\r\n", rune(script[0])):
		return part{text: script[:len(script)-len(strings.TrimLeft(script, " \t\r\n"))]}
	case script[0] == '\\', strings.HasPrefix(script, "--"):
		line, _, _ := strings.Cut(script, "\n")
		return part{text: line}
	}
	end, plain := scan(script)
	return part{text: script[:end], statement: true, plain: plain}
}

// dollar is what a dollar quote begins and ends with.
var dollar = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z_0-9]*)?\$`)

// scan finds the end of the statement that text begins with. It is plain if it has an
// end, which psql cannot see at another place (with standard_conforming_strings), and
// nothing outside quotes that psql itself acts on: backslash commands, variables,
// comments.
// Source: src/fe_utils/psqlscan.l
func scan(text string) (end int, plain bool) {
	plain = true
	escapes, last := false, 0 // of the literal before: backslashes escape, its end
	for i := 0; i < len(text); i++ {
		if text[i] == ';' {
			return i + 1, plain
		}
		quote, harmful := opening(text, i)
		if quote == "" {
			plain = plain && !harmful
			continue
		}
		inside, _, closed := strings.Cut(text[i+len(quote):], quote)
		if !closed {
			break
		}
		start := i
		i += 2*len(quote) + len(inside) - 1
		if quote != "'" {
			continue
		}
		// A doubled quote and a line break do not end a literal. Where backslashes that
		// escape are doubled, as in these scripts, every quote opens or closes.
		escapes = start > 0 && text[start-1]|0x20 == 'e' || escapes && strings.TrimSpace(text[last:start]) == ""
		last = i + 1
		if escapes && strings.Contains(strings.ReplaceAll(inside, `\\`, ""), `\`) {
			plain = false
		}
	}
	return len(text), false
}

// opening returns the quote that begins at text[i], or "" and whether psql could act on
// what is there.
func opening(text string, i int) (quote string, harmful bool) {
	switch c := text[i]; c {
	case '\'', '"':
		return text[i : i+1], false
	case '$':
		if i > 0 && inWord(text[i-1]) {
			return "", true
		}
		quote = dollar.FindString(text[i:])
		return quote, quote == ""
	case '\\', ':':
		return "", true
	default:
		return "", strings.HasPrefix(text[i:], "--") || strings.HasPrefix(text[i:], "/*")
	}
}

// inWord reports whether c may be part of a word without quotes.
func inWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// find is strings.Index outside literals and quoted identifiers of a plain statement.
func find(text, what string) int {
	var quote byte
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case strings.HasPrefix(text[i:], what):
			return i
		case c == '\'' || c == '"':
			quote = c
		}
	}
	return -1
}

// withoutStatements returns the script less the statements for which drop is true;
// line numbers stay as they were.
func withoutStatements(script []byte, drop func(statement string) bool) []byte {
	var out bytes.Buffer
	for _, p := range split(string(script)) {
		if p.statement && drop(p.text) {
			p.text = blank(p.text)
		}
		out.WriteString(p.text)
	}
	return out.Bytes()
}

func blank(text string) string { return strings.Repeat("\n", strings.Count(text, "\n")) }

// alters reports whether statement is the ALTER ROLE that gives one of the roles
// its attributes and password. (ALTER ROLE ... SET is another.)
func alters(statement string, roles ...string) bool {
	rest, ok := strings.CutPrefix(statement, "ALTER ROLE ")
	if !ok {
		return false
	}
	name, rest := identifier(rest)
	for _, role := range roles {
		if name == role && strings.HasPrefix(rest, " WITH ") {
			return true
		}
	}
	return false
}

// retarget returns statement, which is about database source, for target; ok is
// false if it is about none or another one.
func retarget(statement, source, target string) (changed string, ok bool) {
	const keyword = "DATABASE "
	at := find(statement, keyword)
	if at < 0 {
		return "", false
	}
	at += len(keyword)
	name, rest := identifier(statement[at:])
	return statement[:at] + pgx.Identifier{target}.Sanitize() + rest, name == source
}

// identifier reads the SQL identifier that text begins with.
func identifier(text string) (name, rest string) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " ;")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:]
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(text[1:i], `""`, `"`), text[i+1:]
	}
	return text, ""
}

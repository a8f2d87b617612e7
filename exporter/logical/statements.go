package logical

import (
	"bytes"
	"strings"

	"github.com/jackc/pgx/v5"
)

// part is a piece of a script that pg_dumpall or pg_restore made: a statement with
// its semicolon, or what stands between statements (white space, a comment or one
// of psql's backslash commands up to the end of its line).
type part struct {
	text      string
	statement bool
	cut       bool // a statement without its end
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
	if end := find(script, ";"); end >= 0 {
		return part{text: script[:end+1], statement: true}
	}
	return part{text: script, statement: true, cut: true}
}

// find is strings.Index outside literals and quoted identifiers. In these scripts
// quotes and backslashes inside literals are doubled, so that every quote character
// opens or closes.
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
		if p.statement && (p.cut || drop(p.text)) {
			p.text = strings.Repeat("\n", strings.Count(p.text, "\n"))
		}
		out.WriteString(p.text)
	}
	return out.Bytes()
}

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

package sqlscript

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Script is what a script has for the server.
type Script struct {
	// Encoding is the client_encoding that the script sets, "" if it sets none. The
	// statements are in it.
	Encoding string
	// Statements are in the order of the script. Its settings (SET, but for SET SESSION
	// AUTHORIZATION) are not among them: what of them matters has been read.
	Statements []Statement
}

// Statement is one statement of a script.
type Statement struct {
	Line int // of the script, on which the statement begins; the first line is 1
	// SQL is the statement without its semicolon, for a session that has
	// standard_conforming_strings on.
	SQL string

	charLen func(string) int
}

// restrictCommand is what pg_dumpall and pg_restore themselves tell psql: which commands may
// follow. Here none may anyway.
var restrictCommand = regexp.MustCompile(`^\\(un)?restrict[ \t]+[^ \t\\]+[ \t]*$`)

// Parse cuts a script into its statements. An error names the line and says what is
// wrong: a command to psql, a quotation, a comment or a statement without an end, a NUL
// byte. Of such a script nothing should be run.
func Parse(script string) (Script, error) {
	if at := strings.IndexByte(script, 0); at >= 0 {
		return Script{}, fmt.Errorf("line %d of the script has a NUL byte", lineOf(script, at))
	}
	p := parser{lexer: newLexer(script)}
	for {
		at := p.lexer.pos
		more, err := p.statement()
		if err != nil {
			if errors.Is(err, errCommand) {
				at = p.lexer.pos
			} else {
				at += len(script[at:]) - len(strings.TrimLeft(script[at:], " \t\r\n"))
			}
			return Script{}, fmt.Errorf("line %d of the script: %w", lineOf(script, at), err)
		}
		if !more {
			return p.script, nil
		}
	}
}

func lineOf(script string, at int) int { return 1 + strings.Count(script[:at], "\n") }

// errOpenStatement refuses a script that is cut off.
var errOpenStatement = errors.New("a statement is not complete")

type parser struct {
	lexer  *lexer
	script Script

	at, line int // position that the line was counted for
}

// statement reads the next statement; more is false when there is none.
func (p *parser) statement() (more bool, err error) {
	var s builder
	var end ending
	for {
		t, more, err := p.token(s.empty())
		switch {
		case err != nil:
			return false, err
		case !more && s.empty():
			return false, nil
		case !more:
			return false, errOpenStatement
		case t.isSymbol(";") && end.reached():
			p.add(s)
			return true, nil
		}
		end.token(t)
		s.token(p.lexer.in, t)
	}
}

// token is the lexer's next, less psql's own commands between statements.
func (p *parser) token(between bool) (token, bool, error) {
	for {
		t, more, err := p.lexer.next()
		if between && errors.Is(err, errCommand) {
			rest := p.lexer.in[p.lexer.pos:]
			if line := rest[:lineLen(rest)]; restrictCommand.MatchString(line) {
				p.lexer.pos += len(line)
				continue
			}
		}
		if between && err == nil && t.isSymbol(`\`) {
			p.lexer.pos = t.start
			return t, false, errCommand
		}
		return t, more, err
	}
}

// add adds a statement to the script, or reads a setting.
func (p *parser) add(b builder) {
	if b.empty() {
		return // a semicolon alone
	}
	p.line += strings.Count(p.lexer.in[p.at:b.first], "\n")
	p.at = b.first
	s := Statement{Line: 1 + p.line, SQL: b.sql.String(), charLen: p.lexer.charLen}
	name, value, ok := s.setting()
	switch {
	case !ok:
		p.script.Statements = append(p.script.Statements, s)
	case name == "standard_conforming_strings":
		p.lexer.standard = isOn(value)
	case name == "client_encoding":
		p.script.Encoding = value
		p.lexer.charLen = charLenIn(value)
	}
}

// isOn reads a boolean as the server does, of which off can be shortened to "of".
func isOn(value string) bool {
	value = strings.ToLower(value)
	for _, off := range []string{"off", "false", "no", "0"} {
		if value != "" && value != "o" && strings.HasPrefix(off, value) {
			return false
		}
	}
	return true
}

// builder puts the text of a statement together.
type builder struct {
	sql   strings.Builder
	first int // where the statement begins
	last  int // where the text was taken up to
}

func (b *builder) empty() bool { return b.sql.Len() == 0 }

func (b *builder) token(in string, t token) {
	if b.empty() {
		b.first, b.last = t.start, t.start
	}
	b.sql.WriteString(in[b.last:t.start])
	written := t.text
	if t.escapes {
		// E stands for N, or in front, where it must not become a part of a word.
		b.sql.WriteString(" E")
		written = strings.TrimLeft(written, "Nn")
	}
	b.sql.WriteString(written)
	b.last = t.end
}

// ending tells whether a semicolon ends the statement: not in parentheses (rules), nor in
// the body of a function that is written in SQL.
// Source: src/fe_utils/psqlscan.l
type ending struct {
	parens, begins int
	words          [4]string // the first ones
	count          int
}

func (e *ending) reached() bool { return e.parens == 0 && e.begins == 0 }

func (e *ending) token(t token) {
	switch {
	case t.isSymbol("("):
		e.parens++
	case t.isSymbol(")") && e.parens > 0:
		e.parens--
	case t.kind == word:
		e.word(strings.ToUpper(t.text))
	}
}

func (e *ending) word(name string) {
	if e.count < len(e.words) {
		e.words[e.count] = name
		e.count++
	}
	if !e.routine() || e.parens > 0 {
		return
	}
	switch {
	case name == "BEGIN", name == "CASE" && e.begins > 0:
		e.begins++
	case name == "END" && e.begins > 0:
		e.begins--
	}
}

// routine reports whether the statement creates a function or procedure.
func (e *ending) routine() bool {
	what := e.words[1]
	if e.words[1] == "OR" && e.words[2] == "REPLACE" {
		what = e.words[3]
	}
	return e.words[0] == "CREATE" && (what == "FUNCTION" || what == "PROCEDURE")
}

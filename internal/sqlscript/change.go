package sqlscript

import (
	"slices"
	"strings"
)

// WithoutGrantor returns the statement less its GRANTED BY.
func (s Statement) WithoutGrantor() Statement {
	at := s.Read().grantor
	s.SQL = strings.TrimRight(s.SQL[:at.start], " \t\r\n") + s.SQL[at.end:]
	return s
}

// ForDatabase returns the statement, which is about one database, with the quoted
// identifier in the place of the database's name.
func (s Statement) ForDatabase(identifier string) Statement {
	at := s.Read().names
	s.SQL = s.SQL[:at.start] + identifier + s.SQL[at.end:]
	return s
}

// Option is the value of an option of the statement, CREATE DATABASE, "" if it is not there. The
// name is in upper case.
func (s Statement) Option(name string) string {
	r := reader{tokens: s.tokens()}
	for ; r.pos+2 < len(r.tokens); r.pos++ {
		if r.peek().is(name) && r.ahead(1).isSymbol("=") {
			r.pos += 2
			return r.value()
		}
	}
	return ""
}

// WithOptions returns the statement, CREATE DATABASE, less the options of those names (in upper
// case), and with others behind it, like "LOCALE = 'C'".
func (s Statement) WithOptions(without []string, with ...string) Statement {
	var sql strings.Builder
	last := 0
	tokens := s.tokens()
	const before = 3 // CREATE, DATABASE, the name
	for n := before; n+2 < len(tokens); n++ {
		if tokens[n].kind != word || !tokens[n+1].isSymbol("=") {
			continue
		}
		if slices.Contains(without, strings.ToUpper(tokens[n].text)) {
			sql.WriteString(strings.TrimRight(s.SQL[last:tokens[n].start], " "))
			last = tokens[n+2].end
		}
		n += 2
	}
	sql.WriteString(s.SQL[last:])
	for _, option := range with {
		sql.WriteString(" " + option)
	}
	s.SQL = sql.String()
	return s
}

// powers are the attributes that let a role go around all privileges.
var powers = []string{"SUPERUSER", "REPLICATION", "BYPASSRLS"}

// WithoutPowers returns the statement, which creates or alters a role, less the
// attributes SUPERUSER, REPLICATION and BYPASSRLS, given or denied, and which of them were
// given. (A role that was just created has none, and denying them takes a superuser.)
func (s Statement) WithoutPowers() (Statement, []string) {
	var given []string
	var sql strings.Builder
	last := 0
	const before = 3 // CREATE or ALTER, ROLE, the name
	tokens := s.tokens()
	for _, t := range tokens[min(before, len(tokens)):] {
		name := strings.ToUpper(t.text)
		granted := slices.Contains(powers, name)
		if t.kind != word || !granted && !slices.Contains(powers, strings.TrimPrefix(name, "NO")) {
			continue
		}
		if granted {
			given = append(given, name)
		}
		sql.WriteString(s.SQL[last:t.start])
		last = t.end
	}
	s.SQL = sql.String() + s.SQL[last:]
	return s, given
}

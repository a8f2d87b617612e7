package sqlscript

import (
	"fmt"
	"strings"
)

// SplitMembers returns the statements in the place of one that creates a role and gives it
// members, or makes it a member, which pg_dumpall never does in one: each is about one thing
// then. Any other statement is returned as it is.
// Source: CreateRoleStmt and OptRoleList in src/backend/parser/gram.y
func (s Statement) SplitMembers() []Statement {
	r := reader{tokens: s.tokens()}
	if !r.keyword("CREATE") || !r.keyword("ROLE") && !r.keyword("USER") && !r.keyword("GROUP") || r.peek().is("MAPPING") {
		return []Statement{s}
	}
	first := r.pos
	r.name()
	role := s.between(r, first)
	var sql strings.Builder
	var grants []Statement
	last := 0
	for r.pos < len(r.tokens) {
		option := r.pos
		grant := r.members()
		if grant == "" {
			r.pos = option + 1
			continue
		}
		first := r.pos
		if r.names(); r.pos == first {
			return []Statement{s} // it is nothing that a server takes
		}
		grants = append(grants, s.with(fmt.Sprintf(grant, role, s.between(r, first))))
		sql.WriteString(s.SQL[last:r.tokens[option].start])
		last = r.tokens[r.pos-1].end
	}
	return append([]Statement{s.with(sql.String() + s.SQL[last:])}, grants...)
}

// members skips the words before a list of roles in CREATE ROLE, if they are next, and returns
// the format of what does the same, for the role and the list.
func (r *reader) members() (grant string) {
	switch {
	case r.keyword("IN"):
		if r.keyword("ROLE") || r.keyword("GROUP") {
			return "GRANT %[2]s TO %[1]s"
		}
	case r.keyword("ROLE"), r.keyword("USER"):
		return "GRANT %[1]s TO %[2]s"
	case r.keyword("ADMIN"):
		return "GRANT %[1]s TO %[2]s WITH ADMIN OPTION"
	}
	return ""
}

// between is the text from a token to what r has read.
func (s Statement) between(r reader, first int) string {
	if r.pos == first {
		return ""
	}
	return s.SQL[r.tokens[first].start:r.tokens[r.pos-1].end]
}

// with returns the statement with another text.
func (s Statement) with(sql string) Statement {
	s.SQL = sql
	return s
}

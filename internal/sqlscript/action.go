package sqlscript

import "slices"

// Verb is what a statement does.
type Verb string

// The verbs that are told apart.
const (
	Create        Verb = "CREATE"
	Alter         Verb = "ALTER" // attributes, owner, options: anything but Configure
	Configure     Verb = "SET"   // ALTER ... SET or RESET of a configuration parameter
	Comment       Verb = "COMMENT"
	Label         Verb = "SECURITY LABEL"
	Grant         Verb = "GRANT"
	Revoke        Verb = "REVOKE"
	Authorization Verb = "SET SESSION AUTHORIZATION" // and RESET
	Other         Verb = ""
)

// Class is the kind of object that a statement is about.
type Class string

// The classes that are told apart.
const (
	Role       Class = "ROLE" // also USER and GROUP
	Tablespace Class = "TABLESPACE"
	Database   Class = "DATABASE"
	Parameter  Class = "PARAMETER"
	Membership Class = "MEMBERSHIP" // of roles in roles
	Unknown    Class = ""
)

// Action is what a statement does to what, as far as that is told apart.
type Action struct {
	Verb  Verb
	Class Class
	// Names are the objects; of a Membership the roles that have members.
	Names []Name
	// Roles are those that the statement names beside them: who is granted to or revoked
	// from, the new owner, whom a policy or default privileges are for.
	Roles []Name
	// Grantor is in whose name it is granted, "" if that is not said.
	Grantor string
	// Database is that of ALTER ROLE ... IN DATABASE ... SET.
	Database string
	// Setting is the configuration parameter of Configure, "all" for RESET ALL.
	Setting string
	// Tablespace is that of CREATE DATABASE, "" if that is not said.
	Tablespace string

	grantor span // GRANTED BY name
	names   span // the one name of an object, also of Database
}

// span is where in a statement something is; the zero value stands for nothing.
type span struct{ start, end int }

// Read tells what the statement does.
func (s Statement) Read() Action {
	r := reader{tokens: s.tokens()}
	var a Action
	switch {
	case r.keyword("CREATE"):
		a.Verb = Create
		a.object(&r)
		a.tablespace(&r)
	case r.keyword("ALTER"):
		a.Verb = Alter
		a.alter(&r)
	case r.keyword("COMMENT") && r.keyword("ON"):
		a.Verb = Comment
		a.object(&r)
	case r.keyword("SECURITY") && r.keyword("LABEL"):
		a.Verb = Label
		for r.pos < len(r.tokens) && !r.keyword("ON") {
			r.pos++
		}
		a.object(&r)
	case r.keyword("GRANT"):
		a.Verb = Grant
		a.grant(&r, "TO")
	case r.keyword("REVOKE"):
		a.Verb = Revoke
		a.grant(&r, "FROM")
	case r.authorization():
		a.Verb = Authorization
		if !r.keyword("DEFAULT") {
			a.Roles = r.names()
		}
	}
	return a
}

// authorization skips SET SESSION AUTHORIZATION, if it is next.
func (r *reader) authorization() bool {
	if (r.peek().is("SET") || r.peek().is("RESET")) && r.ahead(1).is("SESSION") && r.ahead(2).is("AUTHORIZATION") {
		r.pos += 3
		return true
	}
	return false
}

// object reads the class and the name of an object.
func (a *Action) object(r *reader) {
	switch {
	case r.peek().is("USER") && r.ahead(1).is("MAPPING") && r.ahead(2).is("FOR"):
		r.pos += 3
		a.Roles = r.names()
		return
	case r.keyword("ROLE"), r.keyword("USER"), r.keyword("GROUP"):
		a.Class = Role
	case r.keyword("TABLESPACE"):
		a.Class = Tablespace
	case r.keyword("DATABASE"):
		a.Class = Database
	case r.keyword("POLICY"):
		a.policy(r)
		return
	case r.keyword("DEFAULT") && r.keyword("PRIVILEGES"):
		a.defaultPrivileges(r)
		return
	default:
		return
	}
	a.Names = []Name{a.spanned(r)}
}

// tablespace finds where a new database is to be.
func (a *Action) tablespace(r *reader) {
	for ; a.Class == Database && r.pos < len(r.tokens); r.pos++ {
		if r.keyword("TABLESPACE") {
			r.symbol("=")
			a.Tablespace = r.name().Text
			return
		}
	}
}

// spanned reads a name and notes where it is.
func (a *Action) spanned(r *reader) Name {
	a.names.start = r.peek().start
	name := r.name()
	if r.pos > 0 {
		a.names.end = r.tokens[r.pos-1].end
	}
	return name
}

// alter reads what follows ALTER.
func (a *Action) alter(r *reader) {
	a.object(r)
	if a.Class == Role && r.keyword("IN") && r.keyword("DATABASE") {
		a.Database = a.spanned(r).Text
	}
	switch {
	case a.Class != Tablespace && (r.keyword("SET") || r.keyword("RESET")):
		// ALTER DATABASE ... SET TABLESPACE moves it.
		if a.Class != Unknown && !r.peek().is("TABLESPACE") {
			a.Verb, a.Setting = Configure, r.name().Text
		}
	case r.keyword("OWNER") && r.keyword("TO"):
		a.Roles = r.names()
	case a.Class == Role && (r.peek().is("ADD") || r.peek().is("DROP")) && r.ahead(1).is("USER"):
		a.members(r)
	default:
		a.owner(r)
	}
}

// members reads ALTER GROUP ... ADD USER and DROP USER, an old way to grant and to revoke.
func (a *Action) members(r *reader) {
	if a.Verb, a.Class = Grant, Membership; r.peek().is("DROP") {
		a.Verb = Revoke
	}
	r.pos += 2
	a.Roles = r.names()
}

// owner finds OWNER TO behind the name of any other object.
func (a *Action) owner(r *reader) {
	for ; a.Class == Unknown && r.pos < len(r.tokens); r.pos++ {
		if r.peek().is("OWNER") && r.ahead(1).is("TO") {
			r.pos += 2
			a.Roles = append(a.Roles, r.names()...)
			return
		}
	}
}

// grant reads what follows GRANT or REVOKE; to is the word before the roles.
func (a *Action) grant(r *reader, to string) {
	first := r.pos
	for r.pos < len(r.tokens) && !r.peek().is("ON") && !r.peek().is(to) {
		r.pos++
	}
	if r.keyword("ON") {
		a.privileges(r)
		for r.pos < len(r.tokens) && !r.peek().is(to) {
			r.pos++
		}
	} else {
		members := reader{tokens: r.tokens[:r.pos], pos: first}
		if len(members.tokens) > first+2 && members.ahead(1).is("OPTION") && members.ahead(2).is("FOR") {
			members.pos += 3
		}
		a.Class = Membership
		a.Names = members.names()
	}
	if !r.keyword(to) {
		return
	}
	a.Roles = append(a.Roles, r.names()...)
	a.grantedBy(r)
}

// privileges reads what they are on.
func (a *Action) privileges(r *reader) {
	switch {
	case r.keyword("TABLESPACE"):
		a.Class = Tablespace
	case r.keyword("DATABASE"):
		a.Class = Database
	case r.keyword("PARAMETER"):
		a.Class = Parameter
	default:
		return
	}
	first := r.peek().start
	a.Names = r.names()
	a.names = span{first, r.tokens[r.pos-1].end}
}

// grantedBy finds who grants.
func (a *Action) grantedBy(r *reader) {
	for ; r.pos < len(r.tokens); r.pos++ {
		if !r.peek().is("GRANTED") || !r.ahead(1).is("BY") {
			continue
		}
		start := r.peek().start
		r.pos += 2
		a.Grantor = r.name().Text
		a.grantor = span{start, r.tokens[r.pos-1].end}
		return
	}
}

// policy reads whom it is for.
func (a *Action) policy(r *reader) {
	for ; r.pos < len(r.tokens) && !r.peek().is("USING") && !r.peek().is("WITH"); r.pos++ {
		if r.keyword("TO") {
			a.Roles = r.names()
			return
		}
	}
}

// defaultPrivileges reads whose they are, and who is granted to.
func (a *Action) defaultPrivileges(r *reader) {
	for r.pos < len(r.tokens) {
		switch {
		case r.keyword("FOR") && (r.keyword("ROLE") || r.keyword("USER")),
			r.keyword("TO"), r.keyword("FROM"):
			a.Roles = append(a.Roles, r.names()...)
		default:
			r.pos++
		}
	}
}

// names reads names with commas between them.
func (r *reader) names() []Name {
	var names []Name
	for r.pos < len(r.tokens) {
		r.keyword("GROUP") // an old way to say that it is a role
		before := r.pos
		name := r.name()
		if r.pos == before {
			break
		}
		names = append(names, name)
		if !r.symbol(",") {
			break
		}
	}
	return names
}

// Is reports whether the name is one of names, or a keyword for the session's role.
func (n Name) Is(names ...string) bool { return n.Self || slices.Contains(names, n.Text) }

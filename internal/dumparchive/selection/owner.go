package selection

import (
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// findOwner returns what a node belongs to.
func (g *graph) findOwner(node int) int {
	e := g.entries[node]
	switch e.Desc {
	case "COMMENT", "ACL", "SECURITY LABEL":
		return g.described(node)
	case "SEQUENCE":
		return g.dependencyOn(node, "TABLE", "FOREIGN TABLE")
	case "TABLE DATA":
		return g.rows(e, "TABLE")
	case "MATERIALIZED VIEW DATA":
		return g.rows(e, "MATERIALIZED VIEW")
	case "SEQUENCE SET":
		return g.rows(e, "SEQUENCE")
	case "ROW SECURITY", "TABLE ATTACH", "SEQUENCE OWNED BY":
		return g.relation(name{e.Namespace, e.Tag})
	case "STATISTICS DATA":
		if node := g.relation(name{e.Namespace, e.Tag}); node != none {
			return node
		}
		return lookup(g.indexes, name{e.Namespace, e.Tag})
	case "INDEX ATTACH":
		return lookup(g.indexes, name{e.Namespace, e.Tag})
	case "SHELL TYPE":
		return lookup(g.types, name{e.Namespace, e.Tag})
	case "USER MAPPING":
		return g.server(e)
	}
	return g.named(e)
}

// named returns the relation or the domain that the SQL of a part of it names.
func (g *graph) named(e *dumparchive.Entry) int {
	keywords, isPart := map[string][]string{
		"INDEX": {"ON"}, "TRIGGER": {"ON"}, "POLICY": {"ON"}, "RULE": {"TO", "VIEW"},
		"CONSTRAINT": {}, "CHECK CONSTRAINT": {}, "FK CONSTRAINT": {}, "DEFAULT": {},
		"STATISTICS": {}, "PUBLICATION TABLE": {"TABLE"},
	}[e.Desc]
	if !isPart {
		return none
	}
	tokens := tokenize(e.Defn)
	if len(tokens) > 0 && tokens[0].is("ALTER") && e.Desc != "PUBLICATION TABLE" {
		// ALTER TABLE, FOREIGN TABLE, VIEW or DOMAIN: of a TRIGGER as well, if only its
		// state differs from that of the parent's.
		keywords = []string{"TABLE", "VIEW", "DOMAIN", "SEQUENCE"}
	}
	if e.Desc == "STATISTICS" { // an expression may have a FROM of its own
		for n := after(tokens, "FROM"); n > 0; n = after(tokens, "FROM") {
			tokens = tokens[n:]
		}
		full, _ := nameAt(tokens, 0, e.Namespace)
		return g.relation(full)
	}
	full, ok := nameAfter(tokens, e.Namespace, keywords...)
	switch {
	case !ok:
		return none
	case tokens[0].is("ALTER") && len(tokens) > 1 && tokens[1].is("DOMAIN"):
		return lookup(g.types, full)
	}
	return g.relation(full)
}

// described returns what a comment, a grant or a label is about. That of a schema that
// is not in the archive, as public, is entered with the schema's name.
func (g *graph) described(node int) int {
	e := g.entries[node]
	if owner := g.dependencyOn(node); owner != none {
		return owner
	}
	tokens := tokenize(e.Tag)
	if schema, ok := nameAfter(tokens, "", "SCHEMA"); ok && e.Namespace == "" && tokens[0].is("SCHEMA") {
		g.schemaParts[schema.name] = append(g.schemaParts[schema.name], node)
	}
	return none
}

// dependencyOn returns the first dependency of one of the given kinds, or, if none is
// given, of any but ACL: the grant on a column depends on that on its table.
func (g *graph) dependencyOn(node int, kinds ...string) int {
	for _, id := range g.entries[node].Dependencies {
		on := g.dependency(node, id)
		if on == none || on == node {
			continue
		}
		desc := g.entries[on].Desc
		if len(kinds) == 0 && desc != "ACL" {
			return on
		}
		for _, kind := range kinds {
			if desc == kind {
				return on
			}
		}
	}
	return none
}

// server returns the server of a user mapping, which says so in its SQL only.
func (g *graph) server(mapping *dumparchive.Entry) int {
	full, _ := nameAfter(tokenize(mapping.Defn), "", "SERVER")
	return lookup(g.servers, full.name)
}

// relate enters what entries say of two others.
func (g *graph) relate(node int) {
	e := g.entries[node]
	switch e.Desc {
	case "TABLE ATTACH":
		parent, ok := nameAfter(tokenize(e.Defn), e.Namespace, "TABLE")
		if on := g.relation(parent); ok && on != none && g.owner[node] != none {
			g.parents[g.owner[node]] = on
			g.partitions[on] = append(g.partitions[on], g.owner[node])
		}
	case "INDEX ATTACH":
		parent, ok := nameAfter(tokenize(e.Defn), e.Namespace, "INDEX")
		if on := lookup(g.indexes, parent); ok && on != none && g.owner[node] != none {
			g.attached[g.owner[node]] = on
		}
	case "FK CONSTRAINT":
		if to, ok := nameAfter(tokenize(e.Defn), e.Namespace, "REFERENCES"); ok {
			g.references[node] = to
		}
	case "OPERATOR CLASS":
		g.relateOperatorClass(node)
	case "DEFAULT ACL":
		if e.Namespace != "" {
			g.schemaParts[e.Namespace] = append(g.schemaParts[e.Namespace], node)
		}
	case "PUBLICATION TABLES IN SCHEMA":
		if schema, ok := nameAfter(tokenize(e.Defn), "", "SCHEMA"); ok {
			g.schemaParts[schema.name] = append(g.schemaParts[schema.name], node)
		}
	}
}

// relateOperatorClass enters a default one with its type, or with its access method if
// the archive does not have the type.
func (g *graph) relateOperatorClass(node int) {
	e := g.entries[node]
	tokens := tokenize(e.Defn)
	if after(tokens, "DEFAULT") == 0 {
		return
	}
	of, ok := nameAfter(tokens, e.Namespace, "TYPE")
	if !ok {
		return
	}
	if on := lookup(g.types, of); on != none {
		g.companions[on] = append(g.companions[on], node)
		return
	}
	if method, ok := nameAfter(tokens, "", "USING"); ok {
		g.opClasses[method.name] = append(g.opClasses[method.name], node)
	}
}

// publication returns the name of the publication that a membership is of.
func publication(e *dumparchive.Entry) string {
	full, _ := nameAfter(tokenize(e.Defn), "", "PUBLICATION")
	return full.name
}

// indexMethod returns the access method of the index that a constraint makes.
func indexMethod(tokens []token) string {
	if after(tokens, "EXCLUDE") > 0 {
		method, _ := nameAfter(tokens, "", "USING")
		return method.name
	}
	if after(tokens, "OVERLAPS") > 0 {
		return "gist"
	}
	return "btree"
}

// qualifiedNames calls found for every name with a schema in SQL, and in its strings:
// 'app.words'::regconfig. A column of an alias looks the same.
func qualifiedNames(sql string, found func(name)) {
	tokens := tokenize(sql)
	for n, t := range tokens {
		if t.kind == text && strings.Contains(t.text, ".") && len(t.text) < 300 {
			inner := tokenize(t.text)
			if len(inner) == 3 && inner[0].isName() && inner[1].is(".") && inner[2].isName() {
				found(name{inner[0].text, inner[2].text})
			}
		}
		if t.isName() && n+2 < len(tokens) && tokens[n+1].is(".") && tokens[n+2].kind != text {
			found(name{t.text, tokens[n+2].text})
		}
	}
}

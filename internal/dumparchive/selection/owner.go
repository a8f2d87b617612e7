package selection

import "github.com/PlakarKorp/integration-postgresql/internal/dumparchive"

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
	case dumparchive.StatisticsData:
		if node := g.relation(name{e.Namespace, e.Tag}); node != none {
			return node
		}
		return g.index(name{e.Namespace, e.Tag})
	case "INDEX ATTACH":
		return g.index(name{e.Namespace, e.Tag})
	case "SHELL TYPE":
		return lookup(g.types, name{e.Namespace, e.Tag})
	case "USER MAPPING":
		return g.server(e)
	}
	return g.named(e)
}

// named returns the relation or the domain that the SQL of a part of it names.
func (g *graph) named(e *dumparchive.Entry) int {
	keywords := namedAfter(e.Desc)
	switch {
	case keywords == nil:
		return none
	case e.Desc == "STATISTICS": // an expression may have a FROM of its own
		full, _ := nameAfterLast(e.Defn, e.Namespace, "FROM")
		return g.relation(full)
	case e.Desc != "PUBLICATION TABLE" && startsWith(e.Defn, "ALTER"):
		// Also of a TRIGGER of a partition whose state differs from that of the parent's.
		keywords = []string{"TABLE", "VIEW", "DOMAIN", "SEQUENCE"}
	}
	full, ok := nameAfter(e.Defn, e.Namespace, keywords...)
	switch {
	case !ok:
		return none
	case startsWith(e.Defn, "ALTER", "DOMAIN"):
		return lookup(g.types, full)
	}
	return g.relation(full)
}

// namedAfter returns the keywords in the SQL of a kind of entry before the name of what
// it belongs to; nil: it belongs to nothing.
func namedAfter(desc string) []string {
	switch desc {
	case "INDEX", "TRIGGER", "POLICY":
		return []string{"ON"}
	case "RULE":
		return []string{"TO", "VIEW"}
	case "PUBLICATION TABLE", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "DEFAULT":
		return []string{"TABLE"}
	case "STATISTICS":
		return []string{"FROM"}
	}
	return nil
}

// described returns what a comment, a grant or a label is about. That of a schema that
// is not in the archive, as public, is entered with the schema's name.
func (g *graph) described(node int) int {
	e := g.entries[node]
	if owner := g.dependencyOn(node); owner != none {
		return owner
	}
	if schema, ok := nameAfter(e.Tag, "", "SCHEMA"); ok && e.Namespace == "" && startsWith(e.Tag, "SCHEMA") {
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
	full, _ := nameAfter(mapping.Defn, "", "SERVER")
	return lookup(g.servers, full.name)
}

// relate enters what entries say of two others.
func (g *graph) relate(node int) {
	e := g.entries[node]
	switch e.Desc {
	case "TABLE ATTACH":
		parent, ok := nameAfter(e.Defn, e.Namespace, "TABLE")
		if on := g.relation(parent); ok && on != none && g.owner[node] != none {
			g.parents[g.owner[node]] = on
			g.partitions[on] = append(g.partitions[on], g.owner[node])
		}
	case "INDEX ATTACH":
		parent, ok := nameAfter(e.Defn, e.Namespace, "INDEX")
		if on := g.index(parent); ok && on != none && g.owner[node] != none {
			g.attached[g.owner[node]] = on
		}
	case "FK CONSTRAINT":
		if to, ok := nameAfter(e.Defn, e.Namespace, "REFERENCES"); ok {
			g.references[node] = to
		}
	case "OPERATOR CLASS":
		g.relateOperatorClass(node)
	case "DEFAULT ACL", "PUBLICATION TABLES IN SCHEMA":
		if schema := schemaOf(e); schema != "" {
			g.schemaParts[schema] = append(g.schemaParts[schema], node)
		}
	}
}

// schemaOf returns the schema that default privileges or a membership are for; empty:
// all of them.
func schemaOf(e *dumparchive.Entry) string {
	if e.Desc == "DEFAULT ACL" {
		return e.Namespace
	}
	schema, _ := nameAfter(e.Defn, "", "SCHEMA")
	return schema.name
}

// relateOperatorClass enters a default one with its type, or with its access method if
// the archive does not have the type.
func (g *graph) relateOperatorClass(node int) {
	e := g.entries[node]
	if !contains(e.Defn, "DEFAULT") {
		return
	}
	of, ok := nameAfter(e.Defn, e.Namespace, "TYPE")
	if !ok {
		return
	}
	if on := lookup(g.types, of); on != none {
		g.companions[on] = append(g.companions[on], node)
		return
	}
	if method, ok := nameAfter(e.Defn, "", "USING"); ok {
		g.opClasses[method.name] = append(g.opClasses[method.name], node)
	}
}

// publication returns the name of the publication that a membership is of.
func publication(e *dumparchive.Entry) string {
	full, _ := nameAfter(e.Defn, "", "PUBLICATION")
	return full.name
}

// indexMethod returns the access method of the index that the SQL of a constraint makes.
func indexMethod(sql string) string {
	if contains(sql, "EXCLUDE") {
		method, _ := nameAfter(sql, "", "USING")
		return method.name
	}
	if contains(sql, "OVERLAPS") {
		return "gist"
	}
	return "btree"
}

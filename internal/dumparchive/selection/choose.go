package selection

import (
	"maps"
	"slices"
	"strings"
)

// chooseTables chooses the relations that match a pattern.
func (w *walk) chooseTables(text string, p pattern) {
	var nodes []int
	if p.exact != "" {
		nodes = w.g.exact(p.exact)
	}
	if len(nodes) == 0 {
		for full, node := range w.g.relations {
			if p.matches(full.schema, full.name) {
				nodes = append(nodes, node)
			}
		}
	}
	if len(nodes) == 0 {
		w.unmatched = append(w.unmatched, text)
	}
	for _, node := range nodes {
		w.raise(node, chosen)
	}
}

// exact returns the relations that a text names as it is, without folding of case.
func (g *graph) exact(text string) (nodes []int) {
	schema, rest, dotted := strings.Cut(text, ".")
	if dotted {
		if node := g.relation(name{schema, rest}); node != none {
			nodes = append(nodes, node)
		}
		return nodes
	}
	for full, node := range g.relations {
		if full.name == text {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// chooseSchemas chooses what is in the schemas that match a pattern.
func (w *walk) chooseSchemas(text string, p pattern) {
	all := map[string]bool{}
	for schema := range w.g.schemas {
		all[schema] = true
	}
	for schema := range w.g.schemaParts {
		all[schema] = true
	}
	for _, e := range w.g.entries {
		if e.Namespace != "" {
			all[e.Namespace] = true
		}
	}
	if !all[p.exact] {
		maps.DeleteFunc(all, func(schema string, _ bool) bool { return !p.name.MatchString(schema) })
	} else {
		all = map[string]bool{p.exact: true}
	}
	if len(all) == 0 {
		w.unmatched = append(w.unmatched, text)
		return
	}
	for schema := range all {
		w.chooseSchema(schema)
	}
	for node, e := range w.g.entries {
		if all[e.Namespace] && w.g.owner[node] == none && e.Namespace != "" {
			w.chooseInSchema(node)
		}
	}
}

// chooseSchema chooses a schema with its privileges, and the extensions in it. One that
// the target has is not created again.
func (w *walk) chooseSchema(schema string) {
	parts := w.g.schemaParts[schema]
	if node := lookup(w.g.schemas, schema); node != none {
		// That of public is no more than its owner, since initdb creates it.
		if !w.exists(node) || strings.HasPrefix(w.g.entries[node].Defn, "--") {
			w.raise(node, chosen)
		}
		parts = append(slices.Clone(parts), w.g.parts[node]...)
	}
	for _, part := range parts {
		w.include(part, chosen)
	}
	for _, node := range w.g.extensions[schema] {
		w.need(node)
	}
}

// chooseInSchema chooses what belongs to nothing but the schema. What cannot be replaced
// is left alone where the target has it.
func (w *walk) chooseInSchema(node int) {
	switch desc := w.g.entries[node].Desc; {
	case desc == "DEFAULT ACL", strings.HasPrefix(desc, "PUBLICATION"):
	case desc == "ACL", desc == "COMMENT", desc == "SECURITY LABEL":
		// Of a member of an extension.
		if slices.ContainsFunc(w.g.extensions[w.g.entries[node].Namespace], func(e int) bool { return w.level[e] > absent || w.exists(e) }) {
			w.raise(node, chosen)
		}
	case isRelation(desc), w.request.Clean, !w.exists(node):
		w.raise(node, chosen)
	}
}

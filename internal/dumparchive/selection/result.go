package selection

import (
	"cmp"
	"slices"
)

// result describes what was collected.
func (w *walk) result() *Result {
	r := &Result{Lists: make([][]int, len(w.g.archives)), Unmatched: w.unmatched, LargeObjects: w.g.large}
	for node, at := range w.level {
		if at == absent {
			continue
		}
		if archive := w.g.archive[node]; archive != none {
			r.Lists[archive] = append(r.Lists[archive], w.g.entries[node].DumpID)
		}
		w.describe(r, node, at)
	}
	for _, key := range w.foreignKeys {
		if w.level[key] == absent {
			r.ForeignKeys = append(r.ForeignKeys, w.foreignKey(key))
		}
	}
	for _, member := range w.memberships {
		if w.level[member] == absent {
			e := w.g.entries[member]
			m := Membership{Publication: publication(e)}
			if owner := w.g.owner[member]; owner != none {
				m.Object = w.g.object(owner)
			} else {
				schema, _ := nameAfter(e.Defn, "", "SCHEMA")
				m.Object = Object{Kind: "SCHEMA", Name: schema.name}
			}
			r.Memberships = append(r.Memberships, m)
		}
	}
	r.MissingSchemas = w.missingSchemas()
	for _, objects := range []*[]Object{&r.Chosen, &r.Needed, &r.Existing, &r.Unfilled} {
		slices.SortFunc(*objects, compareObjects)
	}
	slices.SortStableFunc(r.ForeignKeys, func(a, b ForeignKey) int { return compareObjects(a.Table, b.Table) })
	slices.SortStableFunc(r.Memberships, func(a, b Membership) int { return compareObjects(a.Object, b.Object) })
	return r
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// describe enters a node of the selection under what the user is told.
func (w *walk) describe(r *Result, node int, at level) {
	object := w.g.object(node)
	isPart := w.g.owner[node] != none
	switch {
	case isRelation(object.Kind) && at == chosen:
		if !isPart {
			r.Chosen = append(r.Chosen, object)
		}
		if w.itselfExists(node) {
			r.Existing = append(r.Existing, object)
		}
		if object.Kind == "MATERIALIZED VIEW" && w.isUnfilled(node, map[int]bool{}) {
			r.Unfilled = append(r.Unfilled, object)
		}
	case !isPart && at == needed && w.g.archive[node] != none && isNamedAlone(object.Kind):
		r.Needed = append(r.Needed, object)
	}
}

// isNamedAlone reports whether a kind that belongs to nothing is an object: a grant on an
// extension's function is none.
func isNamedAlone(desc string) bool {
	switch desc {
	case "ACL", "COMMENT", "SECURITY LABEL", "DEFAULT ACL", "SHELL TYPE", "PUBLICATION TABLES IN SCHEMA":
		return false
	}
	return true
}

// isUnfilled reports whether a view reads a relation whose rows do not come along.
func (w *walk) isUnfilled(view int, seen map[int]bool) bool {
	seen[view] = true
	reads := slices.Clone(w.g.entries[view].Dependencies)
	for _, part := range w.g.parts[view] {
		if w.g.entries[part].Desc == "RULE" { // of a view that pg_dump makes in two steps
			reads = append(reads, w.g.entries[part].Dependencies...)
		}
	}
	for _, id := range reads {
		on := w.g.dependency(view, id)
		if on == none {
			continue
		}
		on = w.g.root(on)
		if !isRelation(w.g.entries[on].Desc) || seen[on] || w.level[on] == absent {
			continue
		}
		isView := w.g.entries[on].Desc == "VIEW" || w.g.entries[on].Desc == "MATERIALIZED VIEW"
		if isView && w.isUnfilled(on, seen) || !isView && w.level[on] == needed {
			return true
		}
	}
	return false
}

func (w *walk) foreignKey(key int) ForeignKey {
	e := w.g.entries[key]
	constraint, _ := nameAfter(e.Defn, "", "CONSTRAINT")
	to := w.g.references[key]
	object := Object{Kind: "TABLE", Schema: to.schema, Name: to.name}
	return ForeignKey{Name: constraint.name, Table: w.g.object(w.g.root(key)), References: object}
}

// missingSchemas returns the schemas without which what is restored cannot be.
func (w *walk) missingSchemas() (missing []string) {
	seen := map[string]bool{}
	for node, at := range w.level {
		schema := w.g.entries[node].Namespace
		if at == absent || schema == "" || seen[schema] || w.g.archive[node] == none {
			continue
		}
		seen[schema] = true
		if defined := lookup(w.g.schemas, schema); defined != none && w.level[defined] > absent {
			continue
		}
		if !w.objectExists(Object{Kind: "SCHEMA", Name: schema}) {
			missing = append(missing, schema)
		}
	}
	slices.Sort(missing)
	return missing
}

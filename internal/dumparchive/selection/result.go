package selection

import (
	"cmp"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// report describes what was collected.
type report struct {
	w *walk
	*Result
}

func (w *walk) result() *Result {
	r := report{w: w, Result: &Result{Lists: make([][]int, len(w.g.archives)), Unmatched: w.unmatched, LargeObjects: w.g.large}}
	for node, at := range w.level {
		if at == absent {
			continue
		}
		if archive := w.g.archive[node]; archive != none {
			r.Lists[archive] = append(r.Lists[archive], w.g.entries[node].DumpID)
		}
		r.describe(node, at)
	}
	for _, key := range w.foreignKeys {
		if w.level[key] == absent {
			r.ForeignKeys = append(r.ForeignKeys, r.foreignKey(key))
		}
	}
	for _, attach := range w.detached {
		r.Detached = append(r.Detached, Object{Kind: "TABLE", Schema: w.g.entries[attach].Namespace, Name: w.g.entries[attach].Tag})
	}
	for _, member := range w.memberships {
		if w.level[member] == absent {
			r.Memberships = append(r.Memberships, r.membership(member))
		}
	}
	r.MissingSchemas = r.missingSchemas()
	for _, objects := range []*[]Object{&r.Chosen, &r.Needed, &r.Existing, &r.LeftAlone, &r.Unfilled} {
		slices.SortFunc(*objects, compareObjects)
	}
	slices.SortStableFunc(r.ForeignKeys, func(a, b ForeignKey) int { return compareObjects(a.Table, b.Table) })
	slices.SortStableFunc(r.Memberships, func(a, b Membership) int { return compareObjects(a.Object, b.Object) })
	return r.Result
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// describe enters a node of the selection under what the user is told.
func (r report) describe(node int, at level) {
	w := r.w
	object := w.g.object(node)
	isPart := w.g.owner[node] != none
	switch {
	case isRelation(object.Kind) && w.leavesAlone(node):
		r.LeftAlone = append(r.LeftAlone, object)
	case isRelation(object.Kind) && at == chosen:
		if !isPart || w.level[w.g.root(node)] != chosen { // a sequence with its table is part of that
			r.Chosen = append(r.Chosen, object)
		}
		if w.itselfExists(node) {
			r.Existing = append(r.Existing, object)
		}
		if object.Kind == "MATERIALIZED VIEW" && r.isUnfilled(node, map[int]bool{}) {
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
func (r report) isUnfilled(view int, seen map[int]bool) bool {
	w := r.w
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
		if isView && r.isUnfilled(on, seen) || !isView && w.level[on] == needed {
			return true
		}
	}
	return false
}

func (r report) foreignKey(key int) ForeignKey {
	w := r.w
	e := w.g.entries[key]
	constraint, _ := nameAfter(e.Defn, "", "CONSTRAINT")
	to := w.g.references[key]
	object := Object{Kind: "TABLE", Schema: to.schema, Name: to.name}
	return ForeignKey{Name: constraint.name, Table: w.g.object(w.g.root(key)), References: object}
}

func (r report) membership(member int) Membership {
	e := r.w.g.entries[member]
	object := Object{Kind: "SCHEMA", Name: schemaOf(e)}
	if owner := r.w.g.owner[member]; owner != none {
		object = r.w.g.object(owner)
	}
	return Membership{Publication: publication(e), Object: object}
}

// missingSchemas returns the schemas without which what is restored cannot be.
func (r report) missingSchemas() (missing []string) {
	w := r.w
	seen := map[string]bool{}
	for node, at := range w.level {
		e := w.g.entries[node]
		schema := schemaFor(e)
		// Grants and rows do not tell: an extension may make the schema with what is in it.
		if at == absent || schema == "" || seen[schema] || w.g.archive[node] == none || e.Section != dumparchive.SectionPreData {
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

// schemaFor returns the schema that there has to be before an entry is restored; empty:
// none. That of an extension is in its SQL only: CREATE EXTENSION makes no schema that
// WITH SCHEMA names.
func schemaFor(e *dumparchive.Entry) string {
	if e.Desc != "EXTENSION" {
		return e.Namespace
	}
	schema, _ := nameAfter(e.Defn, "", "SCHEMA")
	return schema.name
}

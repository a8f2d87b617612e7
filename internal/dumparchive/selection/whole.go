package selection

import (
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// Whole chooses all that archives hold, less what cannot be there because the backup chose
// only a part of the database: pg_dump -t and -n write foreign keys, partitions and
// memberships of publications whose other side they leave out, and foreign keys to rows that
// --exclude-table-data leaves out. Of Request, Exists, MembersOf, NoRows and Empties apply. complete reports that
// nothing was left out and that no schema is missing: the archives can be restored as they are.
func Whole(archives []*dumparchive.TOC, request Request) (r *Result, complete bool) {
	request.Fill = true
	w := newWalk(newGraph(archives), request)
	left := 0
	for node := range w.g.entries {
		if w.g.archive[node] != none && w.lacksOther(node) {
			left++
			continue
		}
		w.level[node] = chosen
	}
	for node := range w.g.entries { // the comment on a foreign key
		owner := w.g.owner[node]
		if owner != none && w.level[owner] == absent && w.g.entries[owner].Desc != "SCHEMA" {
			w.level[node] = absent
		}
	}
	r = w.result()
	return r, left == 0 && len(r.MissingSchemas) == 0
}

// lacksOther reports whether an entry needs something that neither the archives nor the
// target have, or would create the schema public, which initdb does.
func (w *walk) lacksOther(node int) bool {
	g, e := w.g, w.g.entries[node]
	switch e.Desc {
	case "SCHEMA":
		return e.Tag == "public" && !strings.HasPrefix(e.Defn, "--") && w.objectExists(g.object(node))
	case "FK CONSTRAINT":
		return w.lacksReferenced(node)
	case "TABLE ATTACH":
		parent, ok := nameAfter(e.Defn, e.Namespace, "TABLE")
		return ok && w.isLeftOut(node, &w.detached, g.relation(parent) != none, Object{Kind: "TABLE", Schema: parent.schema, Name: parent.name})
	case "INDEX ATTACH":
		parent, ok := nameAfter(e.Defn, e.Namespace, "INDEX")
		return ok && w.isLeftOut(node, new([]int), g.index(parent) != none, Object{Kind: "INDEX", Schema: parent.schema, Name: parent.name})
	case "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA":
		name := publication(e)
		return w.isLeftOut(node, &w.memberships, g.publications[name], Object{Kind: "PUBLICATION", Name: name})
	}
	return false
}

// lacksReferenced reports whether there is nothing that a foreign key could refer to.
func (w *walk) lacksReferenced(key int) bool {
	to, ok := w.g.references[key]
	if !ok {
		return false
	}
	on := w.g.relation(to)
	if on == none {
		isDefined := w.request.MembersOf != nil && len(w.request.MembersOf(to.schema, to.name)) > 0 // it comes with its extension
		return w.isLeftOut(key, &w.foreignKeys, isDefined, Object{Kind: "TABLE", Schema: to.schema, Name: to.name})
	}
	if !w.lacksRows(key, on) {
		return false
	}
	if w.request.Empties {
		w.foreignKeys = append(w.foreignKeys, key)
		return true
	}
	return w.isLeftOut(key, &w.foreignKeys, false, w.g.object(on))
}

// lacksRows reports whether the rows that a foreign key refers to were left out of archives that
// have those which refer to them.
func (w *walk) lacksRows(key, on int) bool {
	return !w.request.NoRows && w.g.rowsAreLeftOut(on) && w.g.hasRows(w.g.root(key))
}

// isLeftOut enters a node among those left out if the archives do not define what it needs
// and the target does not have it.
func (w *walk) isLeftOut(node int, among *[]int, isDefined bool, needs Object) bool {
	if isDefined || w.objectExists(needs) {
		return false
	}
	*among = append(*among, node)
	return true
}

// rowsAreLeftOut reports whether a table's rows are not in the archives. That a partitioned table has no
// partitions is not it, nor that pg_dump of a version before 14 does not tell which they are.
func (g *graph) rowsAreLeftOut(table int) bool {
	isPartitioned := strings.Contains(g.entries[table].Defn, "\nPARTITION BY ")
	return !g.hasRows(table) && (!isPartitioned || len(g.partitions[table]) > 0)
}

// hasRows reports whether the archives have rows of a table or of its partitions. They have an
// entry for those of an empty one as well.
func (g *graph) hasRows(table int) bool {
	seen := map[int]bool{table: true} // only a hostile archive makes a circle of partitions
	for queue := []int{table}; len(queue) > 0; queue = queue[1:] {
		if slices.ContainsFunc(g.parts[queue[0]], func(part int) bool { return g.entries[part].Desc == "TABLE DATA" }) {
			return true
		}
		for _, partition := range g.partitions[queue[0]] {
			queue = appendNew(queue, partition, seen)
		}
	}
	return false
}

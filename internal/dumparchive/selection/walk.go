package selection

import "github.com/PlakarKorp/integration-postgresql/internal/dumparchive"

// level says why a node is in the selection.
type level byte

const (
	absent level = iota
	needed       // something needs it: without rows
	chosen
)

// walk collects a selection.
type walk struct {
	g       *graph
	request Request
	level   []level
	queue   []int

	unknown map[name]bool // names that the archives do not define: each is looked at once

	there     map[int]bool // whether the target has an object: what was asked
	rowsBelow map[int]bool // partitioned tables of which a partition is chosen

	foreignKeys []int        // of what is in the selection: decided in the end
	memberships []int        // likewise
	detached    []int        // partitions without their table, as Whole finds them
	deferred    map[int]bool // all of these
	unmatched   []string
}

func newWalk(g *graph, request Request) *walk {
	return &walk{
		g: g, request: request, level: make([]level, len(g.entries)),
		unknown: map[name]bool{}, there: map[int]bool{}, rowsBelow: map[int]bool{}, deferred: map[int]bool{},
	}
}

func (w *walk) objectExists(o Object) bool { return w.request.Exists != nil && w.request.Exists(o) }

// exists reports whether the target has what a node is part of.
func (w *walk) exists(node int) bool { return w.itselfExists(w.g.root(node)) }

func (w *walk) itselfExists(node int) bool {
	there, asked := w.there[node]
	if !asked {
		there = w.objectExists(w.g.object(node))
		w.there[node] = there
	}
	return there
}

// raise takes a node into the selection, or chooses what was only needed.
func (w *walk) raise(node int, to level) {
	if w.level[node] >= to {
		return
	}
	w.level[node] = to
	w.queue = append(w.queue, node)
}

// need takes in what something needs, unless the target has it.
func (w *walk) need(node int) {
	if w.exists(node) {
		return
	}
	w.raise(w.g.root(node), needed)
	w.raise(node, needed)
}

// close follows everything until nothing is added any more.
func (w *walk) close() {
	for {
		for len(w.queue) > 0 {
			node := w.queue[len(w.queue)-1]
			w.queue = w.queue[:len(w.queue)-1]
			w.follow(node)
		}
		w.decide()
		if len(w.queue) == 0 {
			return
		}
	}
}

// follow takes in what belongs to a node, and what it needs.
func (w *walk) follow(node int) {
	at := w.level[node]
	for _, part := range w.g.parts[node] {
		w.include(part, at)
	}
	for _, class := range w.g.companions[node] {
		w.need(class)
	}
	if at == chosen {
		for _, partition := range w.g.partitions[node] {
			w.raise(partition, chosen)
		}
		for parent, ok := w.g.parents[node]; ok && !w.rowsBelow[parent]; parent, ok = w.g.parents[parent] {
			w.rowsBelow[parent] = true
		}
	}
	if root := w.g.root(node); root != node && w.level[root] == absent {
		w.need(root) // a sequence that was chosen without its table
	}
	w.followMaker(node)
	w.followNeeds(node)
}

// include takes in a part of what is in the selection.
func (w *walk) include(part int, at level) {
	switch w.g.entries[part].Desc {
	case "TABLE DATA", "MATERIALIZED VIEW DATA", dumparchive.StatisticsData:
		if at != chosen || w.leavesAlone(w.g.owner[part]) {
			return
		}
	case "SEQUENCE SET":
		if w.leavesAlone(w.g.owner[part]) {
			return
		}
	case "FK CONSTRAINT":
		w.foreignKeys = appendNew(w.foreignKeys, part, w.deferred)
		return
	case "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA":
		w.memberships = appendNew(w.memberships, part, w.deferred)
		return
	case "INDEX ATTACH":
		if parent, ok := w.g.attached[w.g.owner[part]]; ok {
			w.need(parent)
		}
	case "INDEX", "CONSTRAINT":
		// Attaching a partition to a table that the target has makes its indexes.
		if parent, ok := w.g.attached[part]; ok && w.exists(parent) && w.level[w.g.root(parent)] == absent {
			return
		}
	}
	w.raise(part, at)
}

// appendNew appends a node once.
func appendNew(nodes []int, node int, seen map[int]bool) []int {
	if seen[node] {
		return nodes
	}
	seen[node] = true
	return append(nodes, node)
}

// decide takes in what depends on what else is in the selection.
func (w *walk) decide() {
	for _, key := range w.foreignKeys {
		if w.level[key] == absent && w.satisfied(key) {
			w.raise(key, needed)
		}
	}
	for _, member := range w.memberships {
		if w.level[member] == absent && w.objectExists(Object{Kind: "PUBLICATION", Name: publication(w.g.entries[member])}) {
			w.raise(member, needed)
		}
	}
	for _, cast := range w.g.casts {
		if w.level[cast] == absent && w.complete(cast) {
			w.raise(cast, needed)
		}
	}
}

// satisfied reports whether the rows that a foreign key refers to come along, or can be
// on the target.
func (w *walk) satisfied(key int) bool {
	own, to := w.g.root(key), w.g.references[key]
	on := w.g.relation(to)
	switch {
	case on == own:
		return true
	case on == none:
		return w.objectExists(Object{Kind: "TABLE", Schema: to.schema, Name: to.name})
	case w.level[on] == chosen && w.lacksRows(key, on):
		return !w.request.Empties && w.exists(on)
	case w.level[on] == chosen, w.exists(on):
		return true
	}
	// Tables without rows refer to nothing.
	return w.level[on] == needed && w.level[own] != chosen && !w.rowsBelow[own]
}

// complete reports whether all that a node depends on is in the selection or on the
// target, and something of it is new.
func (w *walk) complete(node int) bool {
	anyNew := false
	for _, id := range w.g.entries[node].Dependencies {
		on := w.g.dependency(node, id)
		if on == none {
			continue
		}
		if isNew := w.level[on] > absent; isNew {
			anyNew = anyNew || w.g.entries[on].Desc != "SCHEMA" && w.g.entries[on].Desc != "EXTENSION"
		} else if !w.exists(on) {
			return false
		}
	}
	return anyNew
}

// followNeeds takes in what a node needs.
func (w *walk) followNeeds(node int) {
	e := w.g.entries[node]
	switch e.Desc {
	case "COMMENT", "ACL", "SECURITY LABEL", "TABLE DATA", dumparchive.StatisticsData, "SEQUENCE SET", "INDEX ATTACH",
		"PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA":
		return // their object, which is there
	case "MATERIALIZED VIEW DATA":
		w.followRefresh(node)
		return
	case "CONSTRAINT":
		w.followConstraint(e)
	}
	root := w.g.root(node)
	for _, id := range e.Dependencies {
		if on := w.g.dependency(node, id); on != none && w.g.root(on) != root {
			w.need(on)
		}
	}
	if archive := w.g.archive[node]; archive != none && w.g.split[archive] && e.Section == dumparchive.SectionPostData {
		w.followText(e.Defn)
	}
}

// followRefresh takes in the refreshing of materialized views that one is made of.
func (w *walk) followRefresh(node int) {
	for _, id := range w.g.entries[node].Dependencies {
		on := w.g.dependency(node, id)
		if on != none && w.g.entries[on].Desc == "MATERIALIZED VIEW DATA" && !w.exists(on) {
			w.raise(on, needed)
		}
	}
}

// followConstraint takes in the operator classes that the constraint's index may need:
// nothing in the archive says which.
func (w *walk) followConstraint(e *dumparchive.Entry) {
	method := indexMethod(e.Defn)
	for _, class := range w.g.opClasses[method] {
		w.need(class)
	}
	if method == "gist" {
		w.needExtension("btree_gist")
	}
}

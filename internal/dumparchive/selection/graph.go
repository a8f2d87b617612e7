package selection

import (
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// name is that of something in a schema.
type name struct{ schema, name string }

// none is the node that there is not.
const none = -1

// graph says what belongs to what, over all archives. A node is a number.
type graph struct {
	archives []*dumparchive.TOC
	base     []int // the first node of each archive
	entries  []*dumparchive.Entry
	archive  []int // of each node; none: it is not in any, but its rows are

	owner []int   // what a node belongs to, none if to nothing
	parts [][]int // what belongs to a node

	relations map[name]int // tables, views, sequences and the like
	indexes   map[name]int // indexes and constraints that are one; see index
	types     map[name]int
	schemas   map[string]int
	servers   map[string]int
	byName    map[name][]int // everything that has a schema, functions without arguments; see called

	parents    map[int]int   // of partitions
	partitions map[int][]int // the other way round
	attached   map[int]int   // an index of a partition, to that of its parent
	references map[int]name  // a foreign key, to the table that it refers to

	schemaParts map[string][]int // what belongs to a schema, be it in the archive or not
	extensions  map[string][]int // by the schema that has their objects
	companions  map[int][]int    // operator classes that come with a type
	typeMakers  map[name][]int   // extensions, see makers; nil before they are asked for
	opClasses   map[string][]int // those of other types, by access method
	casts       []int            // casts and transforms
	split       []bool           // archives without definitions: see followText
	large       bool             // there are large objects

	publications map[string]bool
}

func newGraph(archives []*dumparchive.TOC) *graph {
	entries, relations := 0, 0
	for _, toc := range archives {
		entries += len(toc.Entries)
		for n := range toc.Entries {
			if isRelation(toc.Entries[n].Desc) {
				relations++
			}
		}
	}
	g := &graph{
		archives: archives, entries: make([]*dumparchive.Entry, 0, entries), archive: make([]int, 0, entries), owner: make([]int, 0, entries),
		relations: make(map[name]int, relations), types: map[name]int{},
		schemas: map[string]int{}, servers: map[string]int{}, parents: map[int]int{}, partitions: map[int][]int{},
		attached: map[int]int{}, references: map[int]name{}, schemaParts: map[string][]int{},
		extensions: map[string][]int{}, companions: map[int][]int{}, opClasses: map[string][]int{}, publications: map[string]bool{},
	}
	for n, toc := range archives {
		g.base = append(g.base, len(g.entries))
		split := true
		for m := range toc.Entries {
			e := &toc.Entries[m]
			g.add(e, n)
			// Every archive says how it is to be read, and of which database it is.
			split = split && (e.Section != dumparchive.SectionPreData || e.TableOID == 0 || e.Desc == "DATABASE")
		}
		g.split = append(g.split, split)
	}
	g.relateAll()
	return g
}

// relateAll enters what entries say of themselves, and then of others.
func (g *graph) relateAll() {
	given := len(g.entries) // to which rows may add
	for node := range given {
		g.register(node)
	}
	for node := range given {
		if owner := g.findOwner(node); owner != node {
			g.owner[node] = owner
		}
	}
	g.collectParts()
	for node := range len(g.entries) {
		g.relate(node)
	}
}

func (g *graph) add(e *dumparchive.Entry, archive int) int {
	g.entries = append(g.entries, e)
	g.archive = append(g.archive, archive)
	g.owner = append(g.owner, none)
	return len(g.entries) - 1
}

// collectParts lists what belongs to each node, in the order of the nodes, all in one piece
// of memory.
func (g *graph) collectParts() {
	counts := make([]int, len(g.entries))
	all := 0
	for _, owner := range g.owner {
		if owner != none {
			counts[owner]++
			all++
		}
	}
	room := make([]int, all)
	g.parts = make([][]int, len(g.entries))
	for node, count := range counts {
		g.parts[node], room = room[:0:count], room[count:]
	}
	for node, owner := range g.owner {
		if owner != none {
			g.parts[owner] = append(g.parts[owner], node)
		}
	}
}

// isRelation reports whether a kind of entry defines something with a name of its own
// among tables.
func isRelation(desc string) bool {
	switch desc {
	case "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE":
		return true
	}
	return false
}

// register enters the names that other entries use.
func (g *graph) register(node int) {
	e := g.entries[node]
	full := name{e.Namespace, e.Tag}
	switch desc := e.Desc; {
	case isRelation(desc):
		g.relations[full] = node
	case desc == "TYPE", desc == "DOMAIN":
		g.types[full] = node
	case desc == "SCHEMA":
		g.schemas[e.Tag] = node
	case desc == "SERVER":
		g.servers[e.Tag] = node
	case desc == "EXTENSION":
		if schema, ok := nameAfter(e.Defn, "", "SCHEMA"); ok {
			g.extensions[schema.name] = append(g.extensions[schema.name], node)
		}
	case desc == "PUBLICATION":
		g.publications[e.Tag] = true
	case desc == "CAST", desc == "TRANSFORM":
		g.casts = append(g.casts, node)
	case desc == "BLOB", desc == "BLOBS", desc == "BLOB METADATA":
		g.large = true
	}
}

// index returns the node of an index, or of a constraint that is one. Most archives are
// never asked for any.
func (g *graph) index(full name) int {
	if g.indexes == nil {
		g.indexes = map[name]int{}
		for node, e := range g.entries {
			switch e.Desc {
			case "INDEX":
				g.indexes[name{e.Namespace, e.Tag}] = node
			case "CONSTRAINT":
				if constraint, ok := nameAfter(e.Defn, e.Namespace, "CONSTRAINT"); ok {
					g.indexes[name{e.Namespace, constraint.name}] = node
				}
			}
		}
	}
	return lookup(g.indexes, full)
}

// called returns the nodes that SQL names so, which only that of some archives is searched
// for.
func (g *graph) called(full name) []int {
	if g.byName == nil {
		g.byName = map[name][]int{}
		for node, e := range g.entries {
			if e.Namespace == "" || g.archive[node] == none || !isNamed(e.Desc) {
				continue
			}
			bare, _, _ := strings.Cut(e.Tag, "(")
			if !strings.HasSuffix(e.Tag, ")") {
				bare = e.Tag
			}
			key := name{e.Namespace, bare}
			g.byName[key] = append(g.byName[key], node)
		}
	}
	return g.byName[full]
}

// isNamed reports whether SQL may name what a kind of entry defines with its schema.
func isNamed(desc string) bool {
	switch desc {
	case "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "COLLATION",
		"CONVERSION", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE":
		return true
	}
	return isRelation(desc)
}

// relation returns the node of a relation: none if the archives do not define it.
func (g *graph) relation(full name) int { return lookup(g.relations, full) }

func lookup[K comparable](nodes map[K]int, key K) int {
	if node, ok := nodes[key]; ok {
		return node
	}
	return none
}

// rows returns the relation whose rows an entry has. One whose definition is in no archive
// gets a node of its own: an extension's table, or one table of a dump in parts.
func (g *graph) rows(e *dumparchive.Entry, kind string) int {
	full := name{e.Namespace, e.Tag}
	node := g.relation(full)
	if node == none {
		node = g.add(&dumparchive.Entry{Desc: kind, Namespace: e.Namespace, Tag: e.Tag}, none)
		g.relations[full] = node
	}
	return node
}

// dependency returns the node of a dump ID in a node's archive.
func (g *graph) dependency(node, dumpID int) int {
	archive := g.archive[node]
	if archive == none {
		return none
	}
	n, ok := g.archives[archive].Index(dumpID)
	if !ok {
		return none
	}
	return g.base[archive] + n
}

// deepest is more than how often something belongs to something: the comment on a
// trigger of a table, twice. Only a hostile archive makes a circle of it.
const deepest = 8

// root returns what a node belongs to in the end, itself if to nothing.
func (g *graph) root(node int) int {
	for range deepest {
		if g.owner[node] == none {
			break
		}
		node = g.owner[node]
	}
	return node
}

// object names a node.
func (g *graph) object(node int) Object {
	e := g.entries[node]
	return Object{Kind: e.Desc, Schema: e.Namespace, Name: e.Tag}
}

package logical

import (
	"cmp"
	"slices"
)

// OIDs of system catalogues, which are the same on every server.
// Source: src/include/catalog/pg_*.h
const (
	classRelation             = 1259
	classConstraint           = 2606
	classNamespace            = 2615
	classExtension            = 3079
	classPublicationRelation  = 6106
	classPublicationNamespace = 6237
)

// object is an entry of a system catalogue.
type object struct{ class, oid uint32 }

// dependency is an entry of pg_depend.
// Source: https://www.postgresql.org/docs/18/catalog-pg-depend.html
type dependency struct {
	from, to object
	kind     rune
}

// graph is what the objects of a database depend on.
type graph struct {
	needs     map[object][]dependency // by the object that they are needed with, see root
	owner     map[object]object       // what an object is a part of, and is dumped with
	namespace map[object]uint32
	extension map[object]object // that an object is a member of
	kinds     map[uint32]rune   // relkind by OID

}

// newGraph makes the graph of pg_depend's entries; kinds are those of all relations.
func newGraph(entries []dependency, kinds map[uint32]rune) *graph {
	g := &graph{
		needs: make(map[object][]dependency), owner: make(map[object]object), namespace: make(map[object]uint32),
		extension: make(map[object]object), kinds: kinds,
	}
	for _, e := range entries {
		switch {
		case e.to.class == classNamespace:
			g.namespace[e.from] = e.to.oid
		case e.kind == 'e':
			g.extension[e.from] = e.to
		case g.isPart(e):
			if _, there := g.owner[e.from]; !there {
				g.owner[e.from] = e.to
			}
		}
	}
	for _, e := range entries {
		// A publication leaves out the tables that are not dumped.
		listed := e.from.class == classPublicationRelation || e.from.class == classPublicationNamespace
		if e.kind != 'e' && e.to.class != classNamespace && !listed {
			g.needs[g.root(e.from)] = append(g.needs[g.root(e.from)], e)
		}
	}
	return g
}

// isPart tells what is dumped with what it depends on: rules, defaults, constraints,
// indexes, triggers, row types, owned sequences. A partition or a child is not.
func (g *graph) isPart(e dependency) bool {
	switch e.kind {
	case 'a', 'i', 'S':
	default:
		return false
	}
	if e.from.class != classRelation {
		return true
	}
	switch g.kinds[e.from.oid] {
	case 'i', 'I', 't', 'S':
		return true
	}
	return false
}

// root is the object that o is dumped with, o itself for most.
func (g *graph) root(o object) object {
	for range 10 { // longer chains do not exist
		owner, there := g.owner[o]
		if !there {
			break
		}
		o = owner
	}
	return o
}

// memberOf returns the extension that makes the object.
func (g *graph) memberOf(o object) (extension object, ok bool) {
	if extension, ok = g.extension[o]; !ok {
		extension, ok = g.extension[g.root(o)]
	}
	return extension, ok
}

// missing is an object that a selection leaves out, and one that needs it.
type missing struct{ needed, by object }

// close finds what the chosen objects need: the extensions, with those that they need
// themselves, and the objects that are neither chosen nor members of extensions.
func (g *graph) close(chosen func(object) bool) (extensions []object, left []missing) {
	needed := make(map[object]bool)
	seen := make(map[object]bool)
	var queue []object
	for root := range g.needs {
		_, member := g.memberOf(root)
		if !member && root.class != classExtension && chosen(root) {
			queue = append(queue, root)
		}
	}
	slices.SortFunc(queue, compareObjects)
	for len(queue) > 0 {
		root := queue[0]
		queue = queue[1:]
		for _, e := range g.needs[root] {
			extension, member := g.memberOf(e.to)
			if e.to.class == classExtension {
				extension, member = e.to, true
			}
			to := g.root(e.to)
			switch {
			case member:
				if !needed[extension] {
					needed[extension] = true
					queue = append(queue, extension)
				}
			case to == root, chosen(to), g.isOwnedSequence(e), seen[to]:
			default:
				seen[to] = true
				left = append(left, missing{to, root})
				// A foreign key can do without its table, and so without what that needs.
				if e.from.class != classConstraint || to.class != classRelation {
					queue = append(queue, to)
				}
			}
		}
	}
	for extension := range needed {
		extensions = append(extensions, extension)
	}
	slices.SortFunc(extensions, compareObjects)
	return extensions, left
}

// isOwnedSequence: a sequence is dumped without the table that owns it.
func (g *graph) isOwnedSequence(e dependency) bool {
	return e.from.class == classRelation && g.kinds[e.from.oid] == 'S' && g.isPart(e)
}

func compareObjects(a, b object) int {
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.oid, b.oid))
}

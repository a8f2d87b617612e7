package selection

import (
	"maps"
	"slices"
)

// leavesAlone reports whether the rows of a relation are left out, since an extension made
// it on the target.
func (w *walk) leavesAlone(node int) bool {
	return node != none && w.g.archive[node] == none && !w.request.Fill && w.itselfExists(node)
}

// followMaker takes in the extension that makes a relation which no archive defines. Nothing
// says which: it may have made the schema, have its objects there, or else be any.
func (w *walk) followMaker(node int) {
	if w.g.archive[node] != none || w.itselfExists(node) {
		return
	}
	schema := w.g.entries[node].Namespace
	makers := w.g.extensions[schema]
	if w.request.MadeBy != nil {
		makers = slices.Concat(makers, w.g.extensionsCalled(w.request.MadeBy(schema)))
	}
	if len(makers) == 0 {
		makers = slices.Concat(slices.Collect(maps.Values(w.g.extensions))...)
	}
	for _, extension := range makers {
		w.need(extension)
	}
}

// extensionsCalled returns the extensions of a name: one, or none.
func (g *graph) extensionsCalled(called string) (nodes []int) {
	for _, extensions := range g.extensions {
		for _, node := range extensions {
			if g.entries[node].Tag == called {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// needExtension takes in an extension, if the archives have it.
func (w *walk) needExtension(called string) {
	for _, node := range w.g.extensionsCalled(called) {
		w.need(node)
	}
}

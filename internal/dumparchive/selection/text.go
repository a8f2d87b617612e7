package selection

import (
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// followText takes in what SQL names, for an archive that lacks the dependencies.
func (w *walk) followText(sql string) {
	qualifiedNames(sql, func(full name) {
		nodes := w.g.called(full)
		for _, node := range nodes {
			w.need(node)
		}
		if len(nodes) == 0 && !w.unknown[full] {
			w.unknown[full] = true
			w.followUnknown(full)
		}
	})
	if extension, ok := nameAfter(sql, "", "EXTENSION"); ok { // ALTER INDEX ... DEPENDS ON EXTENSION
		w.needExtension(extension.name)
	}
}

// followUnknown takes in the extension that has what the archives do not define. Where it
// is not certain which, it takes in each that has its objects in the schema.
func (w *walk) followUnknown(full name) {
	extensions := w.g.extensions[full.schema]
	known := w.knownMakers(full)
	if len(extensions)+len(known) == 0 || w.unknownExists(full) {
		return
	}
	if len(known) > 0 {
		extensions = known
	} else if certain := w.g.makers(full); len(certain) > 0 {
		extensions = certain
	}
	for _, extension := range extensions {
		w.need(extension)
	}
}

// knownMakers returns the extensions that the source said to have what is named.
func (w *walk) knownMakers(full name) (extensions []int) {
	if w.request.MembersOf == nil {
		return nil
	}
	for _, called := range w.request.MembersOf(full.schema, full.name) {
		extensions = append(extensions, w.g.extensionsCalled(called)...)
	}
	return extensions
}

// unknownExists reports whether the target has what the archives do not define. That does
// not tell of functions and operators: there may be others of the same name.
func (w *walk) unknownExists(full name) bool {
	return slices.ContainsFunc([]string{
		"TABLE", "TYPE", "COLLATION", "OPERATOR CLASS", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY",
	}, func(kind string) bool {
		return w.objectExists(Object{Kind: kind, Schema: full.schema, Name: full.name})
	})
}

// operatorClasses are those of widespread extensions that are no defaults, so that the SQL
// of an index names them. No definition does, from which the extension could be known.
// Source: the SQL of contrib/pg_trgm, contrib/intarray, contrib/citext, pgvector and PostGIS
var operatorClasses = map[string]string{
	"gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm",
	"gin__int_ops": "intarray", "gist__int_ops": "intarray", "gist__intbig_ops": "intarray",
	"citext_pattern_ops": "citext",
	"vector_l2_ops":      "vector", "vector_ip_ops": "vector", "vector_cosine_ops": "vector", "vector_l1_ops": "vector",
	"halfvec_l2_ops": "vector", "halfvec_ip_ops": "vector", "halfvec_cosine_ops": "vector", "halfvec_l1_ops": "vector",
	"gist_geometry_ops_nd": "postgis", "spgist_geometry_ops_nd": "postgis", "spgist_geometry_ops_3d": "postgis",
	"brin_geometry_inclusion_ops_3d": "postgis", "brin_geometry_inclusion_ops_4d": "postgis",
}

// makers returns the extensions of which one certainly has what is named; none: no entry
// tells.
func (g *graph) makers(full name) []int {
	if extension, ok := operatorClasses[full.name]; ok {
		return slices.DeleteFunc(slices.Clone(g.extensions[full.schema]), func(node int) bool { return g.entries[node].Tag != extension })
	}
	if g.typeMakers == nil {
		g.typeMakers = map[name][]int{}
		for node := range g.archive {
			g.addTypeMakers(node)
		}
	}
	return g.typeMakers[full]
}

// addTypeMakers notes which extensions an entry depends on, for each type and the like
// that its SQL names: the extension is among those, if the archive has dependencies.
func (g *graph) addTypeMakers(node int) {
	e := g.entries[node]
	if e.Section != dumparchive.SectionPreData {
		return
	}
	var extensions []int
	for _, id := range e.Dependencies {
		if on := g.dependency(node, id); on != none && g.entries[on].Desc == "EXTENSION" {
			extensions = append(extensions, on)
		}
	}
	if len(extensions) == 0 {
		return
	}
	typeNames(e.Defn, func(full name) {
		among, ok := g.typeMakers[full]
		if !ok {
			among = g.extensions[full.schema]
		}
		if len(among) == 0 {
			return
		}
		g.typeMakers[full] = slices.DeleteFunc(slices.Clone(among), func(on int) bool { return !slices.Contains(extensions, on) })
	})
}

// typeNames calls found for every name with a schema in SQL that is no function's and no
// operator's: there may be several of these, of several extensions.
func typeNames(sql string, found func(name)) {
	var before [3]token // the last three
	note := func(t token) {
		if before[0].isName() && before[1].is(".") && before[2].isName() && !t.is("(") {
			found(name{before[0].text, before[2].text})
		}
		before = [3]token{before[1], before[2], t}
	}
	for t := range tokens(sql) {
		note(t)
	}
	note(token{kind: symbol})
}

// qualifiedNames calls found for every name with a schema in SQL, and in its strings:
// 'app.words'::regconfig. A column of an alias looks the same. That of the statistics or
// the index that the SQL is about is left out.
func qualifiedNames(sql string, found func(name)) {
	var before [3]token // the last three
	for t := range tokens(sql) {
		if t.kind == text && strings.Contains(t.text, ".") && len(t.text) < maxNames {
			qualifiedNames(t.text, found)
		}
		isOwn := before[0].is("STATISTICS") || before[0].is("INDEX")
		if before[1].isName() && before[2].is(".") && t.kind != text && !isOwn {
			found(name{before[1].text, t.text})
		}
		before = [3]token{before[1], before[2], t}
	}
}

// maxNames is how long a string may be that is searched for names, in bytes: longer ones
// hold no name, but text.
const maxNames = 300

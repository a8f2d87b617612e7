package logical

import (
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// description is what 00000-cluster.json says of the databases: nothing before it arrives,
// in older snapshots, and where plakar was asked for a path.
type description struct{ *manifest.Cluster }

// database is what it says of one, nil if nothing.
func (d description) database(name string) *manifest.ClusterDatabase {
	if d.Cluster == nil {
		return nil
	}
	for n := range d.Databases {
		found := &d.Databases[n]
		if at, _ := databaseAt(found.Path); at == name {
			return found
		}
	}
	return nil
}

// lacksPublic reports whether the database is known to have had no schema public.
func (d description) lacksPublic(database string) bool {
	found := d.database(database)
	return found != nil && found.Schemas != nil && !slices.ContainsFunc(found.Schemas, func(s manifest.ClusterSchema) bool { return s.Name == "public" })
}

// lacksPlpgsql is lacksPublic for the extension plpgsql.
func (d description) lacksPlpgsql(database string) bool {
	found := d.database(database)
	return found != nil && found.Extensions != nil && !slices.Contains(found.Extensions, "plpgsql")
}

// size is how many bytes the database took, 0 if that is not known.
func (d description) size(database string) int64 {
	if found := d.database(database); found != nil && found.SizeBytes != nil {
		return *found.SizeBytes
	}
	return 0
}

// schemas are those of the database, as far as they are known.
func (d description) schemas(database string) []manifest.ClusterSchema {
	if found := d.database(database); found != nil {
		return found.Schemas
	}
	return nil
}

// schemasToMake describes the schemas with the names, which are made before what is in
// them. Those of an extension come with it.
func (d description) schemasToMake(tocs []*dumparchive.TOC, database string, names []string) (schemas []manifest.ClusterSchema) {
	known := d.schemas(database)
	for _, name := range names {
		n := slices.IndexFunc(known, func(s manifest.ClusterSchema) bool { return s.Name == name })
		switch {
		case n < 0:
			schemas = append(schemas, manifest.ClusterSchema{Name: name})
		case known[n].Extension == nil || !hasExtension(tocs, *known[n].Extension):
			schemas = append(schemas, known[n])
		}
	}
	return schemas
}

// madeBy returns which extension made a schema of a database, as selection.Request has it.
func (d description) madeBy(database string) func(schema string) string {
	known := d.schemas(database)
	return func(schema string) string {
		n := slices.IndexFunc(known, func(s manifest.ClusterSchema) bool { return s.Name == schema && s.Extension != nil })
		if n < 0 {
			return ""
		}
		return *known[n].Extension
	}
}

// membersOf returns which extensions have an object, as selection.Request has it.
func (d description) membersOf(database string) func(schema, name string) []string {
	extensions := map[[2]string][]string{}
	if found := d.database(database); found != nil {
		for _, m := range found.ExtensionMembers {
			at := [2]string{m.Schema, m.Name}
			extensions[at] = append(extensions[at], m.Extension)
		}
	}
	return func(schema, name string) []string { return extensions[[2]string{schema, name}] }
}

func hasExtension(tocs []*dumparchive.TOC, name string) bool {
	return slices.ContainsFunc(tocs, func(toc *dumparchive.TOC) bool {
		return slices.ContainsFunc(toc.Entries, func(e dumparchive.Entry) bool { return e.Desc == "EXTENSION" && e.Tag == name })
	})
}

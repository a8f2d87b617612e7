package manifest_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// The schema and the types name the same fields, and agree on which may be null.
func TestSchemaAgreesWithTypes(t *testing.T) {
	schemaAgrees(t, manifest.Schema(), map[string]reflect.Type{
		"": reflect.TypeFor[manifest.Document](), "base": reflect.TypeFor[manifest.Base](), "file": reflect.TypeFor[manifest.File](),
		"wal": reflect.TypeFor[manifest.WAL](), "wal_ancestor": reflect.TypeFor[manifest.WALAncestor](), "wal_end": reflect.TypeFor[manifest.WALEnd](),
		"cluster_config": reflect.TypeFor[manifest.ClusterConfig](), "role": reflect.TypeFor[manifest.Role](),
		"tablespace": reflect.TypeFor[manifest.Tablespace](), "database": reflect.TypeFor[manifest.Database](),
		"extension": reflect.TypeFor[manifest.Extension](), "schema": reflect.TypeFor[manifest.SchemaObject](),
		"relation": reflect.TypeFor[manifest.Relation](), "column": reflect.TypeFor[manifest.Column](),
		"constraint": reflect.TypeFor[manifest.Constraint](), "index": reflect.TypeFor[manifest.Index](),
		"warning": reflect.TypeFor[manifest.Warning](),
	})
	schemaAgrees(t, manifest.SchemaOfCluster(), map[string]reflect.Type{
		"": reflect.TypeFor[manifest.Cluster](), "database": reflect.TypeFor[manifest.ClusterDatabase](), "member": reflect.TypeFor[manifest.ExtensionMember](),
		"schema": reflect.TypeFor[manifest.ClusterSchema](), "grant": reflect.TypeFor[manifest.Grant](), "setting": reflect.TypeFor[manifest.Setting](),
		"warning": reflect.TypeFor[manifest.Warning](),
	})
}

func schemaAgrees(t *testing.T, text []byte, types map[string]reflect.Type) {
	t.Helper()
	type object struct {
		Additional *bool                                 `json:"additionalProperties"`
		Required   []string                              `json:"required"`
		Properties map[string]map[string]json.RawMessage `json:"properties"`
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Defs[""] = schema.object
	if len(types) != len(schema.Defs) {
		t.Errorf("%d types, %d definitions", len(types), len(schema.Defs))
	}
	for name, typ := range types {
		def := schema.Defs[name]
		fields := jsonFields(typ)
		if want, got := sorted(maps.Keys(fields)), sorted(maps.Keys(def.Properties)); !slices.Equal(want, got) {
			t.Errorf("definition %q:\n types  %v\n schema %v", name, want, got)
		}
		if def.Additional == nil || *def.Additional {
			t.Errorf("definition %q accepts other properties", name)
		}
		for field, f := range fields {
			required := slices.Contains(def.Required, field)
			optional := strings.Contains(f.Tag.Get("json"), "omitempty")
			if optional == required {
				t.Errorf("%s.%s: required in the schema: %v, optional in the type: %v", name, field, required, optional)
			}
			kind := string(def.Properties[field]["type"]) + string(def.Properties[field]["enum"])
			if pointer := f.Type.Kind() == reflect.Pointer && !optional; pointer && !strings.Contains(kind, "null") ||
				!pointer && f.Type.Kind() != reflect.Slice && strings.Contains(kind, "null") {
				t.Errorf("%s.%s: %s in the schema, %s in the type", name, field, kind, f.Type)
			}
		}
	}
}

func jsonFields(typ reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(typ) {
		if !f.Anonymous {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[name] = f
		}
	}
	return fields
}

func sorted(seq func(func(string) bool)) []string { return slices.Sorted(seq) }

func TestRead(t *testing.T) {
	const text = `{"version": 2, "future": {"a": [1, {"b": null}]}, "connector": "postgres", "dump_format": "custom",
		"server_version_num": 170001, "tablespaces": [{"name": "fast", "owner": "o", "location": "/srv", "options": []}], "files": [{"path": "/00001-a.dump", "database": "a"}],
		"databases": [{"name": "a", "relations": [{"name": "t"}, {"name": "u"}], "x": 1}, {"relations": null, "name": "b"}],
		"warnings": []}`
	summary, err := manifest.ReadSummary(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "summary", summary, `{"Version":2,"Connector":"postgres","DumpFormat":"custom","ServerVersionNum":170001,`+
		`"Files":[{"path":"/00001-a.dump","database":"a"}],"Databases":["a","b"]}`)
	doc, err := manifest.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// Snapshots made before these fields were.
	if doc.Base != nil || len(doc.Tablespaces) != 1 || doc.Tablespaces[0].OID != 0 {
		t.Errorf("base: %s, tablespaces: %s", asJSON(doc.Base), asJSON(doc.Tablespaces))
	}
	if len(doc.Databases) != 2 || len(doc.Databases[0].Relations) != 2 || doc.Databases[1].Relations != nil {
		t.Errorf("databases: %s", asJSON(doc.Databases))
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"version": 3}`: "version is 3", `{}`: "version is 0", `{"version": 2, "files": [`: "EOF", ``: "EOF",
		`[]`: "", `{"version": "2"}`: "", `{"version": 2, "databases": {}}`: "",
	} {
		if _, err := manifest.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%s) gives %v", text, err)
		}
		if _, err := manifest.ReadSummary(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadSummary(%s) gives %v", text, err)
		}
	}
}

package e2e

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// validate holds a manifest.json against its schema and returns it.
func validate(t *testing.T, text []byte) *manifest.Document {
	t.Helper()
	validateWith(t, manifest.Schema(), text)
	document, err := manifest.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// validateCluster holds a 00000-cluster.json against its schema and returns it.
func validateCluster(t *testing.T, text []byte) *manifest.Cluster {
	t.Helper()
	validateWith(t, manifest.SchemaOfCluster(), text)
	cluster, err := manifest.ReadCluster(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func validateWith(t *testing.T, schema, text []byte) {
	t.Helper()
	definition, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", definition); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("not JSON: %v\n%.2000s", err, text)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("it is not what its schema says: %v", err)
	}
}

type warning = manifest.Warning

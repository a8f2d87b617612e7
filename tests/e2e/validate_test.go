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
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("manifest.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("manifest.json: %v\n%.2000s", err, text)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("manifest.json: %v", err)
	}
	document, err := manifest.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

type warning = manifest.Warning

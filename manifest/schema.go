package manifest

import (
	_ "embed"
	"slices"
)

//go:embed manifest.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the document.
func Schema() []byte { return slices.Clone(schema) }

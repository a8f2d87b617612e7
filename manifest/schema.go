package manifest

import (
	_ "embed"
	"slices"
)

//go:embed manifest.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the document.
func Schema() []byte { return slices.Clone(schema) }

//go:embed cluster.schema.json
var clusterSchema []byte

// SchemaOfCluster returns the JSON Schema (draft 2020-12) of 00000-cluster.json.
func SchemaOfCluster() []byte { return slices.Clone(clusterSchema) }

// Package schema holds the JSON Schemas that describe each connector's settings
// to plakar. The files are generated from the options' struct tags:
//
//	go generate ./schema
package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

//go:generate go run ./generate

// Connector is one connector of manifest.yaml.
type Connector struct {
	Protocol string // "postgres+aws"
	Side     string // "importer" or "exporter"
	Options  any    // a struct whose tags declare the options
}

// Connectors lists all of them.
func Connectors() []Connector {
	return []Connector{
		{"postgres", "importer", options.Import{}},
		{"postgres", "exporter", options.Export{}},
		{"postgres+aws", "importer", options.ImportAWS{}},
		{"postgres+aws", "exporter", options.ExportAWS{}},
		{"postgres+bin", "importer", options.Physical{}},
		{"postgres+bin", "exporter", options.PhysicalRestore{}},
		{"postgres+check", "exporter", options.Check{}},
		{"postgres+wal", "importer", options.WAL{}},
	}
}

// File is the name of the connector's schema in this directory.
func (c Connector) File() string { return c.Protocol + "-" + c.Side + ".json" }

type object struct {
	Schema     string              `json:"$schema"`
	Title      string              `json:"title"`
	Type       string              `json:"type"`
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
	Additional bool                `json:"additionalProperties"`
}

type property struct {
	Type        []string `json:"type"`
	Description string   `json:"description"`
	Default     string   `json:"default,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Minimum     int      `json:"minimum,omitempty"`
	Maximum     int      `json:"maximum,omitempty"`
	Format      string   `json:"format,omitempty"`
	WriteOnly   bool     `json:"writeOnly,omitempty"`
}

// Generate returns the text of the connector's schema. plakar stores settings as
// strings, so every value may be one.
func Generate(c Connector) ([]byte, error) {
	properties := make(map[string]property)
	required := map[string]bool{"location": true}
	for _, f := range options.Fields(c.Options) {
		properties[f.Name] = describe(f)
		if f.Required {
			required[f.Name] = true
		}
	}
	location := properties["location"]
	location.Pattern = "^" + strings.ReplaceAll(c.Protocol, "+", `\+`) + ":"
	if c.Protocol == "postgres" {
		location.Pattern = "^postgres(ql)?:"
	}
	location.Description = strings.Replace(location.Description, "postgres://", c.Protocol+"://", 1)
	properties["location"] = location
	text, err := json.MarshalIndent(object{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  c.Protocol + ":// " + c.Side, Type: "object",
		Properties: properties, Required: slices.Sorted(maps.Keys(required)),
	}, "", "  ")
	return append(text, '\n'), err
}

// booleans are the spellings that strconv.ParseBool knows.
var booleans = []string{"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}

func describe(f options.Field) property {
	p := property{
		Type: []string{"string"}, Description: f.Doc, Default: f.Default, Enum: f.Enum, WriteOnly: f.Secret,
	}
	switch {
	case f.Boolean():
		p.Type = append(p.Type, "boolean")
		others := append([]string{""}, f.Enum...)
		p.Enum, p.Pattern = nil, "^("+strings.Join(append(others, booleans...), "|")+")$"
	case f.Kind == options.Integer:
		p.Type = append(p.Type, "integer")
		p.Pattern, p.Minimum, p.Maximum = "^[0-9]*$", f.Min, f.Max
	}
	return p
}

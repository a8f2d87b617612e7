package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// TestGenerated: what is in the repository is what the options' tags say.
func TestGenerated(t *testing.T) {
	for _, c := range Connectors() {
		want, err := Generate(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(c.File())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s differs, run go generate ./schema: -want +got\n%s", c.File(), diff)
		}
	}
	got, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Readme(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), string(bytes.TrimSpace(got))); diff != "" {
		t.Errorf("README.md differs, run go generate ./schema: -want +got\n%s", diff)
	}
}

// TestManifest: manifest.yaml has each connector once, with its schema, and no
// other.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile("../manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Connectors []struct {
			Type, Class, Subclass, Executable, Validator string
			Protocols, Args                              []string
		}
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range m.Connectors {
		got = append(got, c.Validator)
		if c.Class != "database" || c.Subclass != "postgresql" || !slices.Equal(c.Args, []string{c.Type}) || !slices.Contains(c.Protocols, c.Executable) {
			t.Errorf("odd connector %+v", c)
		}
		if want := "schema/" + c.Executable + "-" + c.Type + ".json"; c.Validator != want {
			t.Errorf("validator %s, want %s", c.Validator, want)
		}
		if _, err := os.Stat(filepath.Join("..", "cmd", c.Executable, "main.go")); err != nil {
			t.Error(err)
		}
	}
	var want []string
	for _, c := range Connectors() {
		want = append(want, "schema/"+c.File())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestSchemasAccept: the schemas accept what the connectors do.
func TestSchemasAccept(t *testing.T) {
	for _, c := range Connectors() {
		schema := compile(t, c.File())
		settings := map[string]any{"location": c.Protocol + "://host/"}
		for _, f := range own(c) {
			if f.Required {
				settings[f.Name] = "x"
			}
		}
		if err := schema.Validate(settings); err != nil {
			t.Errorf("%s refuses its least settings: %v", c.File(), err)
		}
		settings["nosuch"] = "x"
		if err := schema.Validate(settings); err == nil || !strings.Contains(err.Error(), "nosuch") {
			t.Errorf("%s accepts an unknown option: %v", c.File(), err)
		}
		if err := schema.Validate(map[string]any{"location": "mysql://host/"}); err == nil {
			t.Errorf("%s accepts another protocol", c.File())
		}
	}
}

func compile(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

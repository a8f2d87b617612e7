package schema

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

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
	files, err := Documents("..")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string][]byte)
	for _, file := range files {
		if texts[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	want, err := Render(texts)
	if err != nil {
		t.Fatal(err)
	}
	for file := range texts {
		if diff := cmp.Diff(string(want[file]), string(texts[file])); diff != "" {
			t.Errorf("%s differs, run go generate ./schema: -want +got\n%s", file, diff)
		}
	}
}

// heading is one of a document, and link what it links to.
var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code    = regexp.MustCompile("(?ms)^ *```.*?^ *```$|^    [^\n]*$")
)

// TestLinks: what the documents link to in this repository is there.
func TestLinks(t *testing.T) {
	files, err := Documents("..")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, "../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
			target, anchor, _ := strings.Cut(string(m[1]), "#")
			if strings.Contains(target, "://") {
				continue
			}
			found++
			path := file
			if target != "" {
				path = filepath.Join(filepath.Dir(file), target)
			}
			linked, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(linked), anchor) {
				t.Errorf("%s links to %s: no such heading", file, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}

// anchors are what the headings of a document are called in links.
// Source: GitHub: lower case, without punctuation, hyphens for blanks
func anchors(text []byte) []string {
	var all []string
	for _, m := range heading.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, string(m[1])))
	}
	return all
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
		if c.Class != "database" || c.Subclass != "postgresql" || !slices.Equal(c.Args, []string{c.Type}) || len(c.Protocols) == 0 {
			t.Errorf("odd connector %+v", c)
		}
		if want := "schema/" + c.Protocols[0] + "-" + c.Type + ".json"; c.Validator != want {
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

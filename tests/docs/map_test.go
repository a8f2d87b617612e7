package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

var (
	drawing = regexp.MustCompile(`(?s)An arrow means.*?\n\n(.*?)\n\n`)
	drawn   = regexp.MustCompile(`\b((?:cmd|importer|exporter|internal|manifest)(?:/[a-z+]+)*)(?:/\{([a-z,]+)\})?`)
)

// TestMap: CONTRIBUTING.md draws all packages, and no arrow points up or to the side.
func TestMap(t *testing.T) {
	rows := drawnRows(t)
	const module = "github.com/PlakarKorp/integration-postgresql/"
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./cmd/...", "./importer/...", "./exporter/...", "./internal/...", "./manifest")
	cmd.Dir, cmd.Stderr = harness.Root(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		row, ok := rows[name]
		if !ok {
			t.Errorf("%s is not drawn", name)
		}
		for _, path := range p.Imports {
			if imported, ours := strings.CutPrefix(path, module); ours && rows[imported] <= row {
				t.Errorf("%s imports %s, which is not drawn below it", name, imported)
			}
		}
	}
}

// drawnRows are the packages in the drawing, and the lines that they are in.
func drawnRows(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := drawing.FindSubmatch(text)
	if found == nil {
		t.Fatal("CONTRIBUTING.md has no drawing")
	}
	rows := make(map[string]int)
	for n, line := range strings.Split(string(found[1]), "\n") {
		for _, m := range drawn.FindAllStringSubmatch(line, -1) {
			for _, name := range strings.Split(m[2], ",") {
				name = strings.TrimSuffix(m[1]+"/"+name, "/")
				rows[name] = n
				if info, err := os.Stat(filepath.Join(harness.Root(), name)); err != nil || !info.IsDir() {
					t.Errorf("there is no package %s", name)
				}
			}
		}
	}
	return rows
}

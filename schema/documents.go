package schema

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// marked is a part of a document that is generated:
//
//	<!-- options: connection -->
//	...
//	<!-- end -->
var marked = regexp.MustCompile(`(?s)<!-- options: ([^>]+) -->\n.*?<!-- end -->`)

// Documents lists the files that have such parts, or may have: the README and docs/.
func Documents(root string) ([]string, error) {
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	return append(docs, filepath.Join(root, "README.md")), err
}

// Render returns documents with their option tables written anew. A table that no marker
// asks for, or more than one, is an error, as is a marker that nothing is known for.
func Render(documents map[string][]byte) (map[string][]byte, error) {
	tables := map[string]string{"connection": table(options.Fields(options.Connection{}))}
	for _, c := range Connectors() {
		tables[c.Protocol+" "+c.Side] = table(own(c))
	}
	var unknown []string
	rendered := make(map[string][]byte)
	for name, text := range documents {
		rendered[name] = marked.ReplaceAllFunc(text, func(part []byte) []byte {
			name := string(marked.FindSubmatch(part)[1])
			rows, known := tables[name]
			if !known {
				unknown = append(unknown, name)
			}
			delete(tables, name)
			return fmt.Appendf(nil, "<!-- options: %s -->\n%s<!-- end -->", name, rows)
		})
	}
	if len(unknown) > 0 || len(tables) > 0 {
		return nil, fmt.Errorf("markers for unknown tables, or the second ones for %q, no marker for %q", unknown, slices.Sorted(maps.Keys(tables)))
	}
	return rendered, nil
}

// own lists the options of c that are not those of every connection, and of
// "postgres+aws" only those that are not those of "postgres".
func own(c Connector) []options.Field {
	shared := options.Fields(options.Connection{})
	if protocol, ok := strings.CutSuffix(c.Protocol, "+aws"); ok {
		for _, other := range Connectors() {
			if other.Protocol == protocol && other.Side == c.Side {
				shared = options.Fields(other.Options)
			}
		}
	}
	return slices.DeleteFunc(options.Fields(c.Options), func(f options.Field) bool {
		return slices.ContainsFunc(shared, func(s options.Field) bool { return reflect.DeepEqual(s, f) })
	})
}

func table(fields []options.Field) string {
	var b strings.Builder
	b.WriteString("| option | default | meaning |\n|---|---|---|\n")
	for _, f := range fields {
		text := f.Doc
		if len(f.Enum) > 0 {
			text += ": `" + strings.Join(f.Enum, "`, `") + "`"
		}
		value := ""
		switch {
		case f.Required:
			value = "required"
		case f.Default+f.Fallback != "":
			value = "`" + f.Default + f.Fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, value, strings.ReplaceAll(text, "|", `\|`))
	}
	return b.String()
}

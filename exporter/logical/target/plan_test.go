package target

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		o              options.Export
		source, target string
		exists         bool
		want           Plan
		refused        bool
	}{
		"new":                    {source: "a", target: "a", want: Plan{Create: true, Properties: true}},
		"new under another name": {source: "a", target: "b", want: Plan{Create: true, Properties: true}},
		"there":                  {source: "a", target: "a", exists: true},
		"clean":                  {o: options.Export{Clean: true}, source: "a", target: "a", exists: true, want: Plan{Clean: true}},
		"clean, not there":       {o: options.Export{Clean: true}, source: "a", target: "a", refused: true},
		"data only":              {o: options.Export{DataOnly: true}, source: "a", target: "a", exists: true},
		"data only, not there":   {o: options.Export{DataOnly: true}, source: "a", target: "a", refused: true},
		"recreate":               {o: options.Export{Recreate: options.RecreateTrue}, source: "a", target: "a", exists: true, want: Plan{Replace: true, Properties: true}},
		"recreate, not there":    {o: options.Export{Recreate: options.RecreateTrue}, source: "a", target: "a", want: Plan{Create: true, Properties: true}},
		"recreate under another": {o: options.Export{Recreate: options.RecreateTrue}, source: "a", target: "b", exists: true, want: Plan{Replace: true, Properties: true}},
		"recreate postgres":      {o: options.Export{Recreate: options.RecreateTrue}, source: "postgres", target: "postgres", exists: true, want: Plan{Clean: true, Properties: true}},
		"recreate into postgres": {o: options.Export{Recreate: options.RecreateTrue}, source: "a", target: "postgres", exists: true, want: Plan{Clean: true}},
		"template1":              {source: "template1", target: "template1", exists: true, want: Plan{Properties: true}},
		"postgres data only":     {o: options.Export{DataOnly: true}, source: "postgres", target: "postgres", exists: true},
		"template0":              {source: "template0", target: "template0", exists: true, refused: true},
		"template0, recreate":    {o: options.Export{Recreate: options.RecreateTrue}, source: "a", target: "template0", exists: true, refused: true},
		"of template0":           {source: "template0", target: "a", want: Plan{Create: true, Properties: true}},
		"postgres was dropped":   {source: "postgres", target: "postgres", want: Plan{Create: true, Properties: true}},
	} {
		got, err := Decide(&c.o, c.source, c.target, c.exists)
		if got != c.want || (err != nil) != c.refused {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

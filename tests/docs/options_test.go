package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/schema"
)

var (
	// configures is a plakar command that is followed by options, or has them as -o.
	configures = regexp.MustCompile(`\bplakar (?:-\w+ )*(source|destination|backup|restore)\b([^\n` + "`" + `#|]*)`)
	option     = regexp.MustCompile(`(-o )?(?:^|\s)'?([a-z_]+)=`)
	continued  = regexp.MustCompile(`\\\n\s*`)
)

// TestOptions: the options in the documents' commands exist, also where those are not run:
// they are in a sentence, or their block is marked.
func TestOptions(t *testing.T) {
	known := map[string]map[string]bool{"importer": {}, "exporter": {}}
	for _, c := range schema.Connectors() {
		for _, f := range options.Fields(c.Options) {
			known[c.Side][f.Name] = true
		}
	}
	side := map[string]string{"source": "importer", "backup": "importer", "destination": "exporter", "restore": "exporter"}
	found := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range configures.FindAllStringSubmatch(continued.ReplaceAllString(string(text), " "), -1) {
			for _, o := range option.FindAllStringSubmatch(m[2], -1) {
				found++
				if name := o[2]; name != "name" && !known[side[m[1]]][name] {
					t.Errorf("%s: %s: there is no option %s", file, strings.TrimSpace(m[0]), name)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d options were found", found)
	}
}

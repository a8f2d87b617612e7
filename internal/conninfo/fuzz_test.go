package conninfo

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// FuzzDatabaseName: whatever a database is called, the argument for the tools names
// it and sets nothing else.
func FuzzDatabaseName(f *testing.F) {
	for _, name := range []string{
		"shop", `it's`, `\`, `\'`, "a=b", "x host=evil", "postgres://evil/", "' host='evil", "\n", "--file=/etc/passwd", "é", "\xff",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || strings.ContainsRune(name, 0) {
			return // PostgreSQL has no such name
		}
		info, err := Parse(options.Connection{Location: "postgres://here"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		info = info.WithDatabase(name)
		text := info.ConnString()
		if !strings.HasPrefix(text, "dbname='") {
			t.Fatalf("%q: a tool could take %s for a file or an option", name, text)
		}
		read, err := pgx.ParseConfig("host=here " + text[:strings.LastIndex(text, " keepalives_count=")])
		if err != nil || read.Database != name || read.Host != "here" {
			t.Errorf("%q: %s is read as database %q at %q, %v", name, text, read.Database, read.Host, err)
		}
		config, err := info.Config(context.Background())
		if err != nil || config.Database != name || config.Host != "here" {
			t.Errorf("%q: %v", name, err)
		}
	})
}

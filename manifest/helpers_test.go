package manifest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// connector connects as a role.
type connector struct {
	server *testServer
	role   string
}

func (c connector) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, c.server.urlAs(c.role, database))
}

func request(databases ...string) manifest.Request {
	return manifest.Request{
		Header: manifest.Header{
			CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Connector: "postgres", Host: "localhost", Port: 5432,
			DumpFormat: "custom", PgDumpVersion: "17.1",
			Options: map[string]any{"compress": false, "jobs": 2},
		},
		Maintenance: "postgres",
		Databases:   databases,
		Jobs:        2,
	}
}

// collect writes a document, checks it against the schema and the types, and
// returns both forms.
func collect(t *testing.T, c manifest.Connector, r manifest.Request) (*manifest.Document, string) {
	t.Helper()
	var out bytes.Buffer
	if err := manifest.Write(t.Context(), &out, c, r); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	validate(t, text)
	strict := json.NewDecoder(strings.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(new(manifest.Document)); err != nil {
		t.Fatalf("the types do not fit the document: %v", err)
	}
	doc, err := manifest.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc, text
}

func validate(t *testing.T, text string) {
	t.Helper()
	validateWith(t, manifest.Schema(), text)
}

func validateWith(t *testing.T, schema []byte, text string) {
	t.Helper()
	definition, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", definition); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	if err := compiled.Validate(document); err != nil {
		t.Fatalf("%#v", err)
	}
}

func find[T any](t *testing.T, what string, items []T, match func(T) bool) T {
	t.Helper()
	for _, item := range items {
		if match(item) {
			return item
		}
	}
	t.Fatalf("no %s in %d items", what, len(items))
	return *new(T)
}

func database(t *testing.T, doc *manifest.Document, name string) manifest.Database {
	t.Helper()
	return find(t, "database "+name, doc.Databases, func(d manifest.Database) bool { return d.Name == name })
}

func relation(t *testing.T, d manifest.Database, schema, name string) manifest.Relation {
	t.Helper()
	return find(t, "relation "+name, d.Relations,
		func(r manifest.Relation) bool { return r.Schema == schema && r.Name == name })
}

// warned checks that there is a warning with that scope and code whose message
// holds the text.
func warned(t *testing.T, doc *manifest.Document, scope, code, text string) {
	t.Helper()
	for _, w := range doc.Warnings {
		if w.Scope == scope && value(w.SQLState) == code && strings.Contains(w.Message, text) {
			return
		}
	}
	t.Errorf("no warning in scope %q with code %q and text %q in:\n%s", scope, code, text, asJSON(doc.Warnings))
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func same(t *testing.T, what string, got any, want string) {
	t.Helper()
	if text := asJSON(got); text != want {
		t.Errorf("%s:\n got %s\nwant %s", what, text, want)
	}
}

// noSessions checks that the collection's sessions end.
func noSessions(t *testing.T, s *testServer) {
	t.Helper()
	conn := s.open(t, "postgres")
	deadline := time.Now().Add(5 * time.Second)
	for {
		var n int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'manifest'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// onFirstWrite calls do before the first write, which fails when do fails.
type onFirstWrite struct {
	io.Writer
	do   func() error
	done bool
}

func (w *onFirstWrite) Write(p []byte) (int, error) {
	if !w.done {
		w.done = true
		if err := w.do(); err != nil {
			return 0, err
		}
	}
	return w.Writer.Write(p)
}

package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A pattern matches in a restore what it matches for pg_dump. One without a schema is looked for in all of them:
// here it is none but public that has what it matches.
func TestSelectPatterns(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_dump's own patterns are compared")
	s := harness.Start(t)
	s.Exec(t, "postgres", `CREATE DATABASE "My$Shop"`)
	s.Exec(t, "My$Shop", `CREATE SCHEMA app; CREATE SCHEMA "Odd.Name"; CREATE SCHEMA "Odd";
		CREATE TABLE orders (x int); CREATE TABLE "a.b" (x int); CREATE TABLE "Plain" (x int); CREATE VIEW ordered AS SELECT * FROM orders;
		CREATE TABLE app.ord1 (x int); CREATE TABLE app.ord22 (x int); CREATE SEQUENCE app.ord_s; CREATE MATERIALIZED VIEW app."Ord" AS SELECT * FROM app.ord1;
		CREATE TABLE "Odd.Name"."Tab$le" (x int); CREATE TABLE "Odd.Name".tab$le (x int); CREATE TABLE "Odd.Name"."a""b" (x int); CREATE TABLE "Odd"."Name" (x int)`)
	_, toc := dumpFile(t, s, "My$Shop")
	for _, pattern := range []string{
		"app.*", "*.ord1", `"Odd.Name".*`, "or?ers", "order*", "public.(orders|ordered)", "APP.ORD1", "app.ord|app.ord1", `app."Ord"`, "app.ord[0-9]+", "app.ord[[:digit:]]", "app.ord(1|_s)",
		`"Plain"`, `"a.b"`, `"Odd.Name"."Tab$le"`, `"Odd.Name".Tab$le`, `"Odd.Name".tab$*`, `"Odd.Name"."a""b"`, `"Odd"."Name"`, `"Odd.Name"`, "app.ord", "app.ord.", `"app.ord1"`,
		`"My$Shop".app.ord1`, `"My$Shop"."Odd.Name".*`, "My$Shop.app.ord1", `other.app.ord1`, `"My$Shop".x.app.ord1`,
	} {
		var want []string
		cmd := exec.Command(s.ClientTool("pg_dump"), "--format=custom", "--schema-only", "--table="+pattern)
		cmd.Env = append(cmd.Environ(), s.Env("My$Shop")...)
		if out, err := cmd.Output(); err == nil {
			part, err := dumparchive.ReadTOC(strings.NewReader(string(out)))
			if err != nil {
				t.Fatal(err)
			}
			want = relationsOf(part, nil)
		}
		var got []string
		if r, err := selection.Select([]*dumparchive.TOC{toc}, selection.Request{Tables: []string{pattern}}); err == nil && len(r.Unmatched) == 0 {
			got = relationsOf(toc, r)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -pg_dump +restore\n%s", pattern, diff)
		}
	}
}

// relationsOf are the relations of an archive, or those that a selection chooses.
func relationsOf(toc *dumparchive.TOC, r *selection.Result) (names []string) {
	for n := range toc.Entries {
		e := &toc.Entries[n]
		o := selection.Object{Kind: e.Desc, Schema: e.Namespace, Name: e.Tag}
		switch e.Desc {
		case "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE":
			if r == nil || slices.Contains(r.Chosen, o) {
				names = append(names, o.String())
			}
		}
	}
	slices.Sort(names)
	return names
}

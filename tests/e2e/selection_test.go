package e2e

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

//go:embed testdata/dense.sql
var denseSQL string

// newDense returns a server with the database "dense".
func newDense(t *testing.T) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Conf("wal_level = logical"))
	s.Exec(t, "postgres", "CREATE DATABASE dense TEMPLATE template0")
	s.Psql(t, "dense", denseSQL)
	return s
}

// restoreList restores a selection out of archives into a database, the definitions first.
func restoreList(t *testing.T, s *harness.Server, db string, archives []string, r *selection.Result, args ...string) error {
	t.Helper()
	for n, archive := range archives {
		var list bytes.Buffer
		if err := r.WriteList(&list, n); err != nil {
			t.Fatal(err)
		}
		if list.Len() == 0 {
			continue // nothing but settings
		}
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, list.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(s.ClientTool("pg_restore"), append(args, "--use-list="+path, "--exit-on-error", "--dbname="+db, archive)...)
		cmd.Env = append(os.Environ(), s.Env(db)...)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// selectable lists what there is to select, as patterns that match nothing else.
func selectable(t *testing.T, s *harness.Server, db string) []string {
	t.Helper()
	rows := strings.Split(s.QueryText(t, db, `SELECT format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(replace(c.relname, '"', '""'), E'\n', '¤'))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'ext') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
		ORDER BY 1`), "\n")
	for n := range rows {
		rows[n] = strings.ReplaceAll(rows[n], "¤", "\n")
	}
	return rows
}

// description is what pg_dump writes of one table and what belongs to it, with its rows.
func description(t *testing.T, s *harness.Server, db, pattern string, r *selection.Result) string {
	t.Helper()
	args := []string{"--table=" + pattern}
	for _, o := range r.Chosen { // partitions
		args = append(args, "--table="+harness.Ident(o.Schema)+"."+harness.Ident(o.Name))
	}
	out := clientTool(t, s, db, nil, "pg_dump", args...)
	for _, key := range r.ForeignKeys {
		out = withoutForeignKey(out, key)
	}
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) && line != "\n" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// withoutForeignKey removes the statement that makes a constraint.
func withoutForeignKey(script string, key selection.ForeignKey) string {
	statement := regexp.MustCompile(`(?m)^ALTER TABLE (ONLY )?\S+\.("[^"]*"|\S+)\n    ADD CONSTRAINT ` +
		regexp.QuoteMeta(fmtID(key.Name)) + ` FOREIGN KEY .*;\n`)
	return statement.ReplaceAllString(script, "")
}

// fmtID quotes a name as pg_dump does, if it has to be.
func fmtID(name string) string {
	if regexp.MustCompile(`^[a-z_][a-z0-9_]*$`).MatchString(name) {
		return name
	}
	return harness.Ident(name)
}

// Each relation of the database is restored alone into an empty one, out of one archive
// and out of archives of its parts, and is what it was.
func TestSelectEachTable(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "statistics of 18 are for servers of 18, and pg_restore of 17 and later stops at what older servers do not know")
	s := newDense(t)
	var single, parts []string
	var tocs [2][]*dumparchive.TOC
	add := func(n int, archives *[]string, args ...string) {
		path, toc := dumpFile(t, s, "dense", args...)
		*archives, tocs[n] = append(*archives, path), append(tocs[n], toc)
	}
	var args []string
	if harness.ToolsMajor(t, s.Major) >= 18 {
		args = []string{"--statistics"}
	}
	add(0, &single, args...)
	// As with layout=tables.
	add(1, &parts, "--section=pre-data")
	add(1, &parts, "--section=data", "--exclude-table=core.customer", "--exclude-table=core.sale_2023")
	add(1, &parts, "--section=data", "--table=core.sale_2023")
	add(1, &parts, "--section=data", "--table=core.customer")
	add(1, &parts, "--section=post-data")
	all := selectable(t, s, "dense")
	if len(all) < 90 {
		t.Errorf("only %d relations: %q", len(all), all)
	}
	for n, pattern := range all {
		if strings.Contains(pattern, "ring_") && n%15 > 0 {
			continue // one is as the other
		}
		for m, archives := range [][]string{single, parts} {
			if m == 1 && n%3 > 0 && !strings.HasPrefix(pattern, `"core"."c`) {
				continue
			}
			r, err := selection.Select(tocs[m], selection.Request{
				Tables: []string{pattern}, Exists: func(o selection.Object) bool { return o.Kind == "SCHEMA" && o.Name == "public" },
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Unmatched) > 0 || len(r.Chosen) == 0 && !strings.Contains(pattern, "_seq") || len(r.Existing) > 0 || len(r.MissingSchemas) > 0 {
				t.Errorf("%s: %+v", pattern, r)
				continue
			}
			checkAlone(t, s, pattern, archives, r)
		}
	}
}

// checkAlone restores a selection into an empty database, and compares.
func checkAlone(t *testing.T, s *harness.Server, pattern string, archives []string, r *selection.Result) {
	t.Helper()
	const db = "alone"
	s.Exec(t, "postgres", "DROP DATABASE IF EXISTS "+db)
	s.Exec(t, "postgres", "CREATE DATABASE "+db+" TEMPLATE template0")
	if err := restoreList(t, s, db, archives, r); err != nil {
		t.Errorf("%s out of %d archives: %v\n%+v", pattern, len(archives), err, r)
		return
	}
	if len(r.Unfilled) > 0 {
		return // rows differ
	}
	if diff := cmp.Diff(description(t, s, "dense", pattern, r), description(t, s, db, pattern, r)); diff != "" {
		t.Errorf("%s out of %d archives: -want +got\n%s\n%+v", pattern, len(archives), diff, r)
	}
	for _, o := range r.Needed {
		if o.Kind == "TABLE" && !slices.Contains(r.Chosen, o) {
			name := harness.Ident(o.Schema) + "." + harness.Ident(o.Name)
			if rows := s.QueryText(t, db, "SELECT count(*) FROM ONLY "+name); rows != "0" {
				t.Errorf("%s: %s has %s rows", pattern, o, rows)
			}
		}
	}
}

package e2e

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

//go:embed testdata/web.sql
var webSQL string

// web is a database of some 200 tables in which everything depends on everything, and its
// snapshots.
type web struct {
	source
	parted string // the snapshot with layout=tables
	dst    *harness.Server
	blocks map[string]bool // of what pg_dump says of its definitions
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{source: source{server: newDense(t), plakar: harness.NewPlakar(t)}}
	w.server.Psql(t, "dense", webSQL+"; ANALYZE")
	w.plakar.SourceAdd("single", w.server.URL("dense"), w.server.BinDirOption())
	w.plakar.SourceAdd("tables", w.server.URL("dense"), append(inParts, w.server.BinDirOption())...)
	w.snapshot, w.parted = w.plakar.MustBackup("@single"), w.plakar.MustBackup("@tables")
	w.dst = harness.Start(t, harness.Conf("wal_level = logical", "autovacuum = off"))
	w.plakar.DestinationAdd("dst", w.dst.URL(""), w.dst.BinDirOption())
	w.blocks = make(map[string]bool)
	for _, block := range definitions(t, w.server, "dense") {
		w.blocks[block] = true
	}
	return w
}

// definitions are the parts of what pg_dump writes of a database without its rows.
func definitions(t *testing.T, s *harness.Server, db string) []string {
	t.Helper()
	blocks := strings.Split(clientTool(t, s, db, nil, "pg_dump", "--schema-only"), "\n--\n-- Name: ")
	for n := range blocks {
		// SET is written between the objects where something changes.
		blocks[n] = regexp.MustCompile(`(?m)^(SET default_\w+ = .*;|\\(un)?restrict .*|-- .*|--)\n`).ReplaceAllString(blocks[n], "")
		blocks[n] = strings.TrimSpace(blocks[n])
	}
	return blocks[1:] // settings come first
}

// leftOut is a foreign key that a restore names in its warning.
var leftOut = regexp.MustCompile(`foreign key (.*?) of (?:FOREIGN )?TABLE (.*?), whose `)

// checkAlone restores one relation through plakar into a database of its own, and compares it
// with the original. Only what the restore names may differ.
func (w *web) checkAlone(t *testing.T, db, pattern, snapshot string) {
	t.Helper()
	r := w.plakar.Restore("@dst", snapshot, flags([]string{"databases=dense", "database=" + db, "tables=" + pattern})...)
	if r.ExitCode != 0 {
		t.Errorf("%s: exit status %d\n%s", pattern, r.ExitCode, r.Output())
		return
	}
	said := r.Message()
	if regexp.MustCompile(`left out: .* and \d+ more"`).MatchString(said) {
		t.Fatalf("%s: the restore names not all:\n%s", pattern, said)
	}
	args := w.partitions(t, pattern)
	rows := !strings.Contains(said, "may be empty")
	if !rows {
		args = append(args, "--schema-only")
	}
	want, got := clientTool(t, w.server, "dense", nil, "pg_dump", args...), clientTool(t, w.dst, db, nil, "pg_dump", args...)
	for _, key := range leftOut.FindAllStringSubmatch(said, -1) {
		want = withoutForeignKey(want, selection.ForeignKey{Name: key[1]})
		got = withoutForeignKey(got, selection.ForeignKey{Name: key[1]})
	}
	if diff := cmp.Diff(statements(want), statements(got)); diff != "" {
		t.Errorf("%s: -want +got\n%s\n%s", pattern, diff, said)
	}
	for _, block := range definitions(t, w.dst, db) {
		if !w.blocks[block] {
			t.Errorf("%s: the restore has made what is not in the original:\n%s\n%s", pattern, block, said)
		}
	}
	filled := w.dst.QueryText(t, db, fmt.Sprintf(`SELECT string_agg(c.oid::regclass::text, ' ') FROM pg_class c WHERE relkind = 'r' AND oid >= 16384 AND pg_relation_size(oid) > 0
		AND relnamespace::regnamespace::text !~ '^pg_' AND oid NOT IN (SELECT relid FROM pg_partition_tree(%[1]s) UNION ALL SELECT %[1]s)`, regclass(pattern)))
	if strings.TrimSpace(filled) != "" {
		t.Errorf("%s: rows nobody has chosen in %s", pattern, filled)
	}
	w.dst.Exec(t, "postgres", "DROP DATABASE "+db)
}

func regclass(pattern string) string {
	return "'" + strings.ReplaceAll(pattern, "'", "''") + "'::regclass"
}

// partitions are pg_dump's arguments for a relation with its partitions.
func (w *web) partitions(t *testing.T, pattern string) []string {
	t.Helper()
	args := []string{"--table=" + pattern}
	names := w.server.QueryText(t, "dense", `SET search_path = ''; SELECT '--table=' || format('"%s"."%s"', n.nspname, c.relname)
		FROM pg_partition_tree(`+regclass(pattern)+`) p JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.level > 0 ORDER BY 1`)
	if names != "" {
		args = append(args, strings.Split(names, "\n")...)
	}
	return args
}

// statements is what pg_dump writes, without what is about it and not of it.
func statements(script string) string {
	return strings.Join(slices.DeleteFunc(strings.SplitAfter(script, "\n"), func(line string) bool {
		return line == "\n" || strings.HasPrefix(line, "--") || strings.HasPrefix(line, `\restrict`) || strings.HasPrefix(line, `\unrestrict`)
	}), "")
}

// A few relations of each kind are restored alone, through plakar.
func TestRestoreAlone(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what pg_dump writes of them is tried with each version in TestSelectEachTable")
	w := newWeb(t)
	for n, pattern := range []string{`web.t11`, `"Web Types"."t21 New"`, `web.y20`} {
		w.checkAlone(t, fmt.Sprintf("alone%d", n), pattern, []string{w.snapshot, w.parted}[n%2])
	}
	if err := w.plakar.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// Every one of them is, out of both layouts.
func TestRestoreEachAlone(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the texts of a pg_dump are compared")
	harness.LongOnly(t, "TestRestoreAlone, which takes a few of them")
	w := newWeb(t)
	all := selectable(t, w.server, "dense")
	if len(all) < 200 {
		t.Errorf("only %d relations", len(all))
	}
	for n, pattern := range all {
		if strings.Contains(pattern, "_seq") {
			continue // a sequence comes with its table
		}
		w.checkAlone(t, fmt.Sprintf("alone%d", n), pattern, []string{w.snapshot, w.parted}[n%2])
	}
}

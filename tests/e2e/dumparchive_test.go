package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// clientTool runs a client program against a database of the server and returns its output.
func clientTool(t *testing.T, s *harness.Server, db string, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.ClientTool(name), args...)
	cmd.Env = append(os.Environ(), s.Env(db)...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, &stderr)
	}
	return string(out)
}

// dumpFile dumps a database into a file and returns its path and its table of contents.
func dumpFile(t *testing.T, s *harness.Server, db string, args ...string) (string, *dumparchive.TOC) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive")
	clientTool(t, s, db, nil, "pg_dump", append([]string{"--format=custom", "--file=" + path}, args...)...)
	return path, readArchive(t, path)
}

func readArchive(t *testing.T, path string) *dumparchive.TOC {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	toc, err := dumparchive.ReadTOC(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return toc
}

// entryList is what "pg_restore --list --verbose" prints of the entries of an archive.
func entryList(toc *dumparchive.TOC) string {
	oneLine := strings.NewReplacer("\n", " ", "\r", " ").Replace
	var b strings.Builder
	for _, e := range toc.Entries {
		namespace := oneLine(e.Namespace)
		if namespace == "" {
			namespace = "-"
		}
		fmt.Fprintf(&b, "%d; %d %d %s %s %s %s\n", e.DumpID, e.TableOID, e.OID, e.Desc, namespace, oneLine(e.Tag), oneLine(e.Owner))
		if len(e.Dependencies) > 0 {
			fmt.Fprintf(&b, ";\tdepends on: %s\n", strings.Trim(fmt.Sprint(e.Dependencies), "[]"))
		}
	}
	return b.String()
}

func listOf(t *testing.T, s *harness.Server, archive io.Reader) string {
	t.Helper()
	list := clientTool(t, s, "postgres", archive, "pg_restore", "--list", "--verbose")
	_, entries, ok := strings.Cut(list, "; Selected TOC Entries:\n;\n")
	if !ok {
		t.Fatalf("no entries in %q", list)
	}
	return entries
}

// What is read of an archive is what pg_restore reads; what is written is read by it.
func TestTableOfContents(t *testing.T) {
	t.Parallel()
	s := harness.Start(t)
	harness.SeedHard(t, s)
	awkward := "new\nline \"quoted\" \r'x'"
	s.Exec(t, harness.SeedDatabase, "CREATE TABLE "+harness.Ident(awkward)+" (x int PRIMARY KEY)")
	dumps := map[string][]string{
		"all": nil, "pre-data": {"--section=pre-data"}, "data": {"--section=data"},
		"post-data": {"--section=post-data"}, "schema": {"--schema-only", "--compress=0"},
	}
	if harness.ToolsMajor(t, s.Major) >= 18 {
		dumps["statistics"] = []string{"--statistics"}
	}
	for name, args := range dumps {
		path, toc := dumpFile(t, s, harness.SeedDatabase, args...)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(listOf(t, s, bytes.NewReader(content)), entryList(toc)); diff != "" {
			t.Errorf("%s: -pg_restore +ours\n%s", name, diff)
		}
		own := toc.Header.Version
		for version := dumparchive.OldestVersion; version <= own; version++ {
			toc.Header.Version = version
			var front bytes.Buffer
			if _, err := toc.WriteTo(&front); err != nil {
				t.Fatal(err)
			}
			if version == own && !bytes.HasPrefix(content, front.Bytes()) {
				t.Errorf("%s: it is not written as it was read", name)
			}
			if diff := cmp.Diff(entryList(toc), listOf(t, s, &front)); diff != "" {
				t.Errorf("%s as version %d: -ours +pg_restore\n%s", name, version, diff)
			}
		}
	}
}

// A changed table of contents, longer and shorter, in front of the data: as a file with
// offsets, which several processes read, and as a stream without.
func TestChangedTableOfContents(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "pg_restore of 17 and later sets what older servers do not know, and stops there")
	s := harness.Start(t)
	harness.SeedHard(t, s)
	path, _ := dumpFile(t, s, harness.SeedDatabase)
	piped := clientTool(t, s, harness.SeedDatabase, nil, "pg_dump", "--format=custom")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	script := func(archive []byte) string {
		out := clientTool(t, s, "postgres", bytes.NewReader(archive), "pg_restore", "--file=-")
		var lines []string
		for line := range strings.Lines(out) {
			// A random key since the minor versions of August 2025.
			if !strings.HasPrefix(line, `\restrict `) && !strings.HasPrefix(line, `\unrestrict `) {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	const searchPath = "SELECT pg_catalog.set_config('search_path', '%s', false);"
	for n, archive := range [][]byte{file, []byte(piped)} {
		for m, schemas := range [][]string{{"ext", `Ünï "Schema" 'x'`, "public"}, {"public"}} {
			opened, err := dumparchive.Open(bytes.NewReader(archive))
			if err != nil {
				t.Fatal(err)
			}
			opened.SetSearchPath(schemas...)
			if m > 0 { // shorter than it was
				opened.Find("DATABASE").Defn = "" // not used without --create
			}
			stream, err := opened.Stream()
			if err != nil {
				t.Fatal(err)
			}
			changed, err := io.ReadAll(stream)
			if err != nil {
				t.Fatal(err)
			}
			set := []string{`"ext", "Ünï ""Schema"" ''x''", "public"`, `"public"`}[m]
			want := strings.Replace(script(archive), fmt.Sprintf(searchPath, ""), fmt.Sprintf(searchPath, set), 1)
			if diff := cmp.Diff(want, script(changed)); diff != "" {
				t.Errorf("%q: -want +got\n%s", schemas, diff)
			}
			db := fmt.Sprintf("copy%d%d", n, m)
			s.Exec(t, "postgres", "CREATE DATABASE "+db+" TEMPLATE template0")
			to := filepath.Join(t.TempDir(), "changed")
			if err := os.WriteFile(to, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				clientTool(t, s, db, nil, "pg_restore", "--exit-on-error", "--jobs=2", "--dbname="+db, to)
			} else {
				// Through a pipe: nothing can be sought.
				clientTool(t, s, db, io.MultiReader(bytes.NewReader(changed)), "pg_restore", "--exit-on-error", "--dbname="+db)
			}
			harness.CompareDatabase(t, s, s, harness.SeedDatabase, db)
		}
	}
}

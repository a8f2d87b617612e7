package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/PlakarKorp/integration-postgresql/exporter/check"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// proof is a check of snapshots below a directory of its own.
type proof struct {
	t       *testing.T
	plakar  *harness.Plakar
	scratch string
	options []string
}

// newProof makes the directory, for servers of the given kind.
func newProof(t *testing.T, p *harness.Plakar, s *harness.Server) *proof {
	t.Helper()
	if os.Getenv("PG_IMAGE") != "" {
		t.Skip("with servers in containers, this machine has no server programs for a scratch server")
	}
	dir := harness.Reserve(t, s.Major).Dir(t, "x")
	return &proof{t: t, plakar: p, scratch: dir, options: []string{ownerOf(t), "pg_bin_dir=" + s.BinDir}}
}

// ownerOf names the user that servers run as: other servers of that user run here.
func ownerOf(t *testing.T) string {
	t.Helper()
	uid := harness.ServerUID(t)
	if _, err := user.LookupId(fmt.Sprint(uid)); err != nil {
		return fmt.Sprintf("owner=%d:%d", uid, uid)
	}
	return fmt.Sprintf("owner=%d", uid)
}

// args are those of plakar for a check.
func (p *proof) args(snapshot string, options ...string) []string {
	args := []string{"restore", "-to", "postgres+check://" + p.scratch, "-o", "report=" + p.reportFile()}
	for _, o := range append(p.options[:len(p.options):len(p.options)], options...) {
		args = append(args, "-o", o)
	}
	return append(args, snapshot)
}

func (p *proof) reportFile() string { return filepath.Join(p.plakar.Home, "report.json") }

// passes runs a check that has to find nothing.
func (p *proof) passes(snapshot string, options ...string) *check.Report {
	p.t.Helper()
	result := p.plakar.MustRun(p.args(snapshot, options...)...)
	r := p.report()
	if !r.Passed || len(r.Problems) > 0 || !strings.Contains(result.Output(), "PASSED") {
		p.t.Errorf("passed %v, %q:\n%s", r.Passed, r.Problems, result.Output())
	}
	// What it does, and how much room that takes, is said while it goes on.
	lines := []string{"restoring into "}
	switch *r.Snapshot.Kind {
	case "wal":
		lines = []string{"adding WAL in "}
	case "physical":
		lines = append(lines, "that are free in "+p.scratch+" are needed", "which recovers")
	}
	for _, d := range r.Databases {
		lines = append(lines, "reading database", d.Name)
	}
	for _, want := range lines {
		if !strings.Contains(result.Message(), want) {
			p.t.Errorf("it does not say %q:\n%s", want, result.Output())
		}
	}
	return r
}

// fails runs a check whose problems hold the given texts, and no other, if any are given.
func (p *proof) fails(snapshot string, problems []string, options ...string) *check.Report {
	p.t.Helper()
	_ = os.Remove(p.reportFile())
	result := p.plakar.MustFail(p.args(snapshot, options...)...)
	r := p.report()
	if r.Passed || !strings.Contains(result.Output(), "FAILED") {
		p.t.Errorf("it passed:\n%s", result.Output())
	}
	for _, want := range problems {
		if !strings.Contains(strings.Join(r.Problems, "\n"), want) || !strings.Contains(result.Message(), want) {
			p.t.Errorf("nothing says %q: %q\n%s", want, r.Problems, result.Output())
		}
	}
	return r
}

// report reads the report, and makes sure that nothing else is left.
func (p *proof) report() *check.Report {
	p.t.Helper()
	p.empty()
	text, err := os.ReadFile(p.reportFile())
	if err != nil {
		p.t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(harness.Root(), "exporter", "check", "report.schema.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var document any
	var r check.Report
	if err := json.Unmarshal(text, &document); err != nil {
		p.t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		p.t.Error(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		p.t.Fatal(err)
	}
	return &r
}

// empty makes sure that nothing is left of a check: no file, no process.
func (p *proof) empty() {
	p.t.Helper()
	entries, err := os.ReadDir(p.scratch)
	if err != nil || len(entries) > 0 {
		p.t.Errorf("left behind: %v %v", entries, err)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, p.scratch+"/") {
			p.t.Errorf("a process is left: %s %s", link, dir)
		}
	}
	nothingLeft(p.t, p.plakar, nil)
}

// rowsOf is how many rows a report has for a table, -1 for none.
func rowsOf(r *check.Report, database, schema, table string) int64 {
	for _, d := range r.Databases {
		for _, t := range d.Tables {
			if d.Name == database && t.Schema == schema && t.Name == table {
				return t.Rows
			}
		}
	}
	return -1
}

// changed is a snapshot of which a check has to say something, for what was done to its files.
type changed struct {
	name string
	do   func(dir string) error
	want string // "" for nothing
	free bool   // without pg_bin_dir
}

// checkChanged checks copies of a snapshot, each changed.
func (p *proof) checkChanged(t *testing.T, snapshot string, changes []changed) {
	for _, change := range changes {
		t.Run(change.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			p.plakar.MustRestore(dir, snapshot)
			if err := change.do(dir); err != nil {
				t.Fatal(err)
			}
			again, c := p.plakar.MustBackup(dir), *p
			c.t = t
			if change.free {
				c.options = c.options[:1]
			}
			if change.want == "" {
				c.passes(again)
			} else {
				c.fails(again, []string{change.want})
			}
		})
	}
}

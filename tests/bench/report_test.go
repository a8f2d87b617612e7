package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

var write = flag.Bool("write", false, "write the results to docs/benchmarks.*")

// report is docs/benchmarks.json.
type report struct {
	Results []result `json:"results"`
}

// result is one comparison.
type result struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Rounds  int    `json:"rounds"`
	Rows    []row  `json:"rows"`
}

// row is one contender's median.
type row struct {
	Name   string  `json:"name"`
	Wall   float64 `json:"seconds,omitempty"`
	CPU    float64 `json:"cpu_seconds,omitempty"`
	Plugin float64 `json:"plugin_cpu_seconds,omitempty"`
	Peak   float64 `json:"plugin_peak_mib,omitempty"`
	Added  float64 `json:"added_mib,omitempty"`
}

func newRow(name string, s sample) row {
	return row{
		name, round(s.Wall.Seconds()), round(s.CPU.Seconds()), round(s.Plugin.Seconds()),
		round(float64(s.Peak) / (1 << 20)), round(float64(s.Added) / (1 << 20)),
	}
}

// round leaves three digits behind the point.
func round(x float64) float64 { return float64(int64(x*1000+0.5)) / 1000 }

// record compares the contenders and keeps the result.
func record(b *testing.B, id, title string, contenders []contender) {
	b.Helper()
	r := result{ID: id, Title: title}
	for i, s := range compare(b, contenders) {
		r.Rows = append(r.Rows, newRow(contenders[i].name, s))
	}
	save(b, r)
	for _, t := range targets {
		if t.result == id && t.most > 0 {
			if ratio, ok := r.ratio(t.name, t.base); ok {
				say("%s: %s is %.2f of %s, the target is %.2f", id, t.name, ratio, t.base, t.most)
			}
		}
	}
}

// ratio is the time of one contender to that of another, or to oneSecond.
func (r result) ratio(name, base string) (float64, bool) {
	var n, d float64
	if base == oneSecond {
		d = 1
	}
	for _, row := range r.Rows {
		switch row.Name {
		case name:
			n = row.Wall
		case base:
			d = row.Wall
		}
	}
	return n / d, n > 0 && d > 0
}

// save puts a result into the report, in place of the one from before.
func save(b *testing.B, r result) {
	b.Helper()
	text, _ := json.Marshal(r)
	say("%s", text)
	if !*write {
		return
	}
	if r.Machine == "" {
		major, err := harness.DefaultMajor()
		must(b, err)
		r.Machine = machine(b, major)
	}
	r.Date, r.Rounds = time.Now().UTC().Format(time.DateOnly), *rounds
	all := load(b)
	found := false
	for i := range all.Results {
		if all.Results[i].ID == r.ID {
			all.Results[i], found = r, true
		}
	}
	if !found {
		all.Results = append(all.Results, r)
	}
	text, err := json.MarshalIndent(all, "", " ")
	must(b, err)
	must(b, os.WriteFile(docs("benchmarks.json"), append(text, '\n'), 0o644)) //nolint:gosec // documentation
	must(b, writeDocs(all))
}

func docs(name string) string { return filepath.Join(harness.Root(), "docs", name) }

func load(tb testing.TB) (all report) {
	tb.Helper()
	text, err := os.ReadFile(docs("benchmarks.json"))
	if os.IsNotExist(err) {
		return report{}
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

var model = regexp.MustCompile(`model name\s*: (.*)`)

// machine says on what and with which server was measured.
func machine(b *testing.B, major int) string {
	cpu := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := model.FindSubmatch(text); m != nil {
			cpu = string(m[1])
		}
	}
	version, err := exec.Command(filepath.Join(harness.BinDir(b, major), "postgres"), "--version").Output() //nolint:gosec // the server under test
	must(b, err)
	parts := []string{
		fmt.Sprintf("%d CPUs, %s", runtime.NumCPU(), cpu), "PostgreSQL " + strings.TrimSpace(strings.TrimPrefix(string(version), "postgres (PostgreSQL) ")),
		runtime.Version(),
	}
	return strings.Join(parts, ", ")
}

package bench

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"strings"
	"testing"
)

// target is a ratio to reach: the time of name to that of base in a result.
type target struct {
	what       string
	result     string
	name, base string
	most       float64 // 0: it is only of interest
}

var targets = []target{
	{"backup of few large tables", "logical D1", pluginDefault, piped, 1.05},
	{"backup of few large tables, -cpu 2", "logical D1 -cpu 2", pluginDefault, piped, 1.05},
	{"backup of mixed tables", "logical D4", pluginDefault, piped, 1.05},
	{"backup of mixed tables, -cpu 2", "logical D4 -cpu 2", pluginDefault, piped, 1.05},
	{"backup of mixed tables, layout=tables, -cpu 2", "logical D4 -cpu 2", layout, piped, 0.7},
	{"backup of 40 databases, -cpu 2", "logical D3 -cpu 2", pluginDefault, piped, 0.75},
	{"physical, few large tables", "physical D1", pluginDefault, floorName, 1.1},
	{"physical, few large tables, -cpu 2", "physical D1 -cpu 2", pluginDefault, floorName, 1.1},
	{"physical, mixed tables", "physical D4", pluginDefault, floorName, 1.1},
	{"physical, mixed tables, -cpu 2", "physical D4 -cpu 2", pluginDefault, floorName, 1.1},
	{"physical, files of 1 GB", "physical D6", pluginDefault, floorName, 1.1},
	{"physical, files of 1 GB, -cpu 2", "physical D6 -cpu 2", pluginDefault, floorName, 1.1},
	{"physical, many small tables", "physical D2", pluginDefault, floorName, 0},
	{"physical, many databases", "physical D3", pluginDefault, floorName, 0},
	{"physical, few large tables", "physical D1", pluginDefault, tarFile, 0},
	{"physical, few large tables, -cpu 2", "physical D1 -cpu 2", pluginDefault, tarFile, 0},
	{"physical, mixed tables", "physical D4", pluginDefault, tarFile, 0},
	{"physical, mixed tables, -cpu 2", "physical D4 -cpu 2", pluginDefault, tarFile, 0},
	{"physical, files of 1 GB", "physical D6", pluginDefault, tarFile, 0},
	{"physical, files of 1 GB, -cpu 2", "physical D6 -cpu 2", pluginDefault, tarFile, 0},
	{"physical, many small tables", "physical D2", pluginDefault, tarFile, 0},
	{"physical, many databases", "physical D3", pluginDefault, tarFile, 0},
	{"physical, many small tables, -cpu 2", "physical D2 -cpu 2", pluginDefault, backRestFull, 1.1},
	{"physical, few large tables, nothing changed", "again physical D1", unchanged, bareBase, 1.6},
	{"physical, few large tables, nothing changed, -cpu 2", "again physical D1 -cpu 2", unchanged, bareBase, 1.6},
	{"physical, mixed tables, nothing changed", "again physical D4", unchanged, bareBase, 0},
	{"physical, files of 1 GB, nothing changed", "again physical D6", unchanged, bareBase, 1.6},
	{"physical, files of 1 GB, nothing changed, -cpu 2", "again physical D6 -cpu 2", unchanged, bareBase, 1.6},
	{"physical, mixed tables, 1 % changed", "again physical D4", changed, first, 0.6},
	{"physical, mixed tables, 1 % changed, -cpu 2", "again physical D4 -cpu 2", changed, first, 0.6},
	{"physical, few large tables, 1 % changed", "again physical D1", changed, first, 0},
	{"restore of few large tables, -cpu 2", "restore D1 -cpu 2", restoreTwoJobs, pgRestoreTwoJobs, 1.25},
	{"restore of few large tables", "restore D1", restoreTwoJobs, pgRestoreTwoJobs, 1.25},
	{"restore of mixed tables, -cpu 2", "restore D4 -cpu 2", restoreTwoJobs, pgRestoreTwoJobs, 1.25},
	{"restore of mixed tables", "restore D4", restoreTwoJobs, pgRestoreTwoJobs, 1.25},
	{"physical restore of few large tables", "physical restore D1", pluginDefault, writtenFloor, 1.15},
	{"physical restore of many small tables", "physical restore D2", pluginDefault, writtenFloor, 1.15},
	{"physical restore of mixed tables", "physical restore D4", pluginDefault, writtenFloor, 1.15},
	{"restore of one of 20,000 tables", "restore one D5", oneTable, listAndTable, 1.3},
	{"restore of one of 20,000 tables, -cpu 2", "restore one D5 -cpu 2", oneTable, listAndTable, 1.3},
	{"1,000 segments of WAL, nothing new", "wal window", unchanged, oneSecond, 1.5},
	{"0.5 GB of new WAL", "wal stream", pluginDefault, received, 1.25},
	{"0.5 GB of new WAL, -cpu 2", "wal stream -cpu 2", pluginDefault, received, 1.25},
	{"restore with 2 GB of WAL, recovery included", "recovery", pluginDefault, recovered, 0},
	{"restore with 2 GB of WAL, recovery included, -cpu 2", "recovery -cpu 2", pluginDefault, recovered, 0},
	{"restore with 2 GB of WAL, recovery included", "recovery", pluginDefault, barman, 0},
	{"restore with 2 GB of WAL, recovery included, -cpu 2", "recovery -cpu 2", pluginDefault, barman, 0},
	{"4,000 tables without rows", "schema D2", pluginDefault, pgDumpSchemaOnly, 1.3},
	{"20,000 tables without rows", "schema D5", pluginDefault, pgDumpSchemaOnly, 1.3},
	{"20,000 tables without rows, -cpu 2", "schema D5 -cpu 2", pluginDefault, pgDumpSchemaOnly, 1.3},
}

const begin, end = "<!-- results -->\n", "<!-- end -->\n"

// TestDocs: docs/benchmarks.md and the picture show what docs/benchmarks.json says.
func TestDocs(t *testing.T) {
	all := load(t)
	for name, want := range map[string]func(report) ([]byte, error){"benchmarks.md": page, "benchmarks.svg": picture} {
		got, err := os.ReadFile(docs(name))
		if err != nil {
			t.Fatal(err)
		}
		text, err := want(all)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("docs/%s differs from docs/benchmarks.json: go test ./tests/bench -run TestRender -write", name)
		}
	}
}

// TestRender writes the text and the picture anew, with -write.
func TestRender(t *testing.T) {
	if *write {
		if err := writeDocs(load(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func writeDocs(all report) error {
	for name, make := range map[string]func(report) ([]byte, error){"benchmarks.md": page, "benchmarks.svg": picture} {
		text, err := make(all)
		if err != nil {
			return err
		}
		if err := os.WriteFile(docs(name), text, 0o644); err != nil { //nolint:gosec // documentation
			return err
		}
	}
	return nil
}

// page is docs/benchmarks.md with the results in their place.
func page(all report) ([]byte, error) {
	text, err := os.ReadFile(docs("benchmarks.md"))
	if err != nil {
		return nil, err
	}
	head, rest, found := bytes.Cut(text, []byte(begin))
	_, tail, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended {
		return nil, fmt.Errorf("docs/benchmarks.md has no %s...%s", begin, end)
	}
	var b bytes.Buffer
	b.Write(head)
	b.WriteString(begin)
	writeTargets(&b, all)
	for _, r := range all.Results {
		writeResult(&b, r)
	}
	b.WriteString(end)
	b.Write(tail)
	return b.Bytes(), nil
}

func writeTargets(b *bytes.Buffer, all report) {
	b.WriteString("\n| what | measured | compared with | ratio | target |\n|---|---|---|---|---|\n")
	for _, t := range targets {
		ratio := "not measured"
		if x, ok := all.ratio(t); ok {
			ratio = fmt.Sprintf("%.2f", x)
			if t.most > 0 && x > t.most {
				ratio = "**" + ratio + "**, missed"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", t.what, t.name, t.base, ratio, number("%.2f", t.most))
	}
	for _, kind := range []struct {
		name, prefix string
		most         float64
	}{{"physical", "physical ", 200}, {"logical, jobs=1", "logical D1", 64}, {"logical, jobs=1", "logical D4", 64}} {
		if peak := all.peak(kind.prefix); peak > 0 {
			fmt.Fprintf(b, "| the plugin's memory, %s | %.0f MiB | | | %.0f MiB |\n", kind.name, peak, kind.most)
		}
	}
}

func (all report) ratio(t target) (float64, bool) {
	for _, r := range all.Results {
		if r.ID == t.result {
			return r.ratio(t.name, t.base)
		}
	}
	return 0, false
}

// peak is the most memory that the plugin took in the results of one kind, MiB.
func (all report) peak(prefix string) (peak float64) {
	for _, r := range all.Results {
		for _, row := range r.Rows {
			if strings.HasPrefix(r.ID, prefix) && row.Name == pluginDefault {
				peak = max(peak, row.Peak)
			}
		}
	}
	return peak
}

func writeResult(b *bytes.Buffer, r result) {
	title := r.Title
	if strings.HasSuffix(r.ID, "-cpu 2") {
		title += ", plakar -cpu 2"
	}
	fmt.Fprintf(b, "\n### %s\n\n%s; %s", title, r.Date, r.Machine)
	if r.ID != "compression" {
		fmt.Fprintf(b, "; median of %d", r.Rounds)
	}
	b.WriteString(".\n\n| | seconds | CPU seconds | plugin's CPU | plugin's memory | added to the store |\n|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", row.Name, number("%.2f", row.Wall), number("%.2f", row.CPU),
			number("%.2f", row.Plugin), number("%.0f MiB", row.Peak), number("%.1f MiB", row.Added))
	}
}

// number leaves what was not measured empty.
func number(format string, x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf(format, x)
}

// picture is docs/benchmarks.svg: a bar for every ratio with a target.
func picture(all report) ([]byte, error) {
	const line, left, unit, width = 26, 330, 240, 960 // pixels; unit is a ratio of 1
	var b bytes.Buffer
	height := (len(targets)+2)*line + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="18" fill="#555">time, as a ratio to the tool named; the mark is the target, shorter is better</text>`+"\n", left)
	y := line
	for _, t := range targets {
		x, ok := all.ratio(t)
		if !ok {
			continue
		}
		color := "#336791"
		switch {
		case t.most == 0:
			color = "#9aa5ad"
		case x > t.most:
			color = "#b5462f"
		}
		length := min(x, 1.8) * unit
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+16, html.EscapeString(t.what))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.0f" height="16" fill="%s"/>`+"\n", left, y+4, length, color)
		if t.most > 0 {
			fmt.Fprintf(&b, `<rect x="%.0f" y="%d" width="2" height="22" fill="#222"/>`+"\n", left+t.most*unit, y+1)
		}
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" fill="#222">%.2f of %s</text>`+"\n", left+max(length, t.most*unit)+8, y+16, x, html.EscapeString(t.base))
		y += line
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

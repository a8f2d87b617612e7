package harness_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// TestRuns: which tests a run skips, and that it is recorded.
func TestRuns(t *testing.T) {
	majors := harness.Majors()
	if len(majors) < 2 {
		harness.Missing(t, "one PostgreSQL version is installed; run tests/setup/majors.sh")
	}
	low, high := fmt.Sprint(majors[0]), fmt.Sprint(majors[len(majors)-1])
	kinds := map[string]func(*testing.T){
		"any":     func(*testing.T) {},
		"lowest":  func(t *testing.T) { harness.LowestMajorOnly(t, "of the reason") },
		"tools":   func(t *testing.T) { harness.LowestMajorAnyTools(t, "of the reason") },
		"ends":    func(t *testing.T) { harness.LowestAndHighestMajorOnly(t, "of the reason") },
		"own":     func(t *testing.T) { harness.OwnToolsOnly(t, "of the reason") },
		"highest": func(t *testing.T) { harness.OnlyMajor(t, majors[len(majors)-1], "of the reason") },
		"long":    func(t *testing.T) { harness.LongOnly(t, "this one") },
	}
	for _, run := range []struct{ major, tools, long, runs string }{
		{"", "", "", "any lowest tools ends own highest"},
		{low, "", "", "any lowest tools ends own"},
		{low, high, "", "any tools ends"},
		{high, "", "", "any ends own highest"},
		{low, high, "true", "any lowest tools ends own long"},
		{high, "", "true", "any lowest tools ends own highest long"},
	} {
		t.Run(strings.Join([]string{"run", run.major, run.tools, run.long}, " "), func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "skipped")
			t.Setenv("PG_MAJOR", run.major)
			t.Setenv("PG_TOOLS", run.tools)
			t.Setenv("PG_LONG", run.long)
			t.Setenv("PG_SKIPPED", record)
			for kind, call := range kinds {
				ran := false
				t.Run(kind, func(t *testing.T) {
					call(t)
					ran = true
				})
				if want := strings.Contains(" "+run.runs+" ", " "+kind+" "); ran != want {
					t.Errorf("%s: ran %v, want %v", kind, ran, want)
				}
				text, _ := os.ReadFile(record)
				if recorded := strings.Contains(string(text), "/"+kind+" was skipped with "); recorded == ran {
					t.Errorf("%s: ran %v, recorded as skipped %v:\n%s", kind, ran, recorded, text)
				}
			}
		})
	}
}

// TestMarked: in a run in containers that is for the tests with AlsoInContainers, one without
// it is skipped when it starts something.
func TestMarked(t *testing.T) {
	t.Setenv("PG_IMAGE", "nosuch:%d")
	t.Setenv("PG_CONTAINER_TESTS", "marked")
	t.Setenv("PG_LONG", "")
	skipped := false
	t.Run("unmarked", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		harness.NewBarePlakar(t)
	})
	if !skipped {
		t.Error("a test without AlsoInContainers runs")
	}
}

// TestMarkedRuns is TestMarked for a test that has it.
func TestMarkedRuns(t *testing.T) {
	harness.AlsoInContainers(t)
	t.Setenv("PG_IMAGE", "nosuch:%d")
	t.Setenv("PG_CONTAINER_TESTS", "marked")
	skipped := true
	t.Run("marked", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		harness.NewBarePlakar(t)
	})
	if skipped {
		t.Error("a test with AlsoInContainers is skipped")
	}
}

func TestCount(t *testing.T) {
	for long, want := range map[string]int{"": 3, "false": 3, "true": 50} {
		t.Setenv("PG_LONG", long)
		if got := harness.Count(3, 50); got != want || harness.Long() != (long == "true") {
			t.Errorf("PG_LONG=%s: %d, long %v", long, got, harness.Long())
		}
	}
}

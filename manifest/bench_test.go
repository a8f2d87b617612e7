package manifest_test

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// 20,000 tables with an index each: time, size of the document, and the largest
// memory that this process ever had.
func BenchmarkWrite20000Tables(b *testing.B) {
	s := start(b)
	manyTables(b, s, "bench", 20000)
	for b.Loop() {
		var out counter
		if err := manifest.Write(b.Context(), &out, connector{s, "postgres"}, request("bench")); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.n)/1e6, "MB")
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if peak := regexp.MustCompile(`VmHWM:\s*(\d+)`).FindSubmatch(status); peak != nil {
			kib, _ := strconv.ParseFloat(string(peak[1]), 64)
			b.ReportMetric(kib/1024, "MiB-peak")
		}
	}
}

func BenchmarkReadSummary(b *testing.B) {
	s := start(b)
	manyTables(b, s, "bench", 5000)
	for b.Loop() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(manifest.Write(b.Context(), w, connector{s, "postgres"}, request("bench"))) }()
		if _, err := manifest.ReadSummary(r); err != nil {
			b.Fatal(err)
		}
	}
}

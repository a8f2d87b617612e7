package selection

import (
	"bytes"
	"os"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// What closing the selection of one table costs, reading the archive's table of contents
// included. PG_DUMP names an archive to read in place of one made up.
func BenchmarkOneTable(b *testing.B) {
	content, table := manyContent(b)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dumparchive.ReadTOC(bytes.NewReader(content)); err != nil {
				b.Fatal(err)
			}
		}
	})
	toc, err := dumparchive.ReadTOC(bytes.NewReader(content))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("select", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Select([]*dumparchive.TOC{toc}, Request{Tables: []string{table}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Whole([]*dumparchive.TOC{toc}, Request{Exists: func(o Object) bool { return o.Kind == "SCHEMA" }})
		}
	})
}

func manyContent(b *testing.B) (content []byte, table string) {
	b.Helper()
	if name := os.Getenv("PG_DUMP"); name != "" {
		content, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		return content, "t777"
	}
	var buf bytes.Buffer
	if _, err := many(b, 20_000).WriteTo(&buf); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes(), "s.t777"
}

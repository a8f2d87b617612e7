package target

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

func TestNeededMethods(t *testing.T) {
	entry := func(desc, tag, method string) dumparchive.Entry {
		return dumparchive.Entry{Desc: desc, Tag: tag, TableAM: method}
	}
	table := entry("TABLE", "t", "columns")
	for name, c := range map[string]struct {
		entries []dumparchive.Entry
		want    []string
	}{
		"heap":                      {[]dumparchive.Entry{entry("TABLE", "t", "heap")}, []string{"heap"}},
		"nothing brings it":         {[]dumparchive.Entry{entry("EXTENSION", "plpgsql", ""), table}, []string{"columns"}},
		"an extension may bring it": {[]dumparchive.Entry{entry("EXTENSION", "store", ""), entry("COMMENT", "EXTENSION store", ""), table}, nil},
		"the dump has it":           {[]dumparchive.Entry{entry("ACCESS METHOD", "columns", ""), table, entry("TABLE", "u", "rows")}, []string{"rows"}},
	} {
		_, methods := needed(&dumparchive.TOC{Entries: c.entries})
		if got := keys(methods); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

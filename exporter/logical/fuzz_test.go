package logical

import (
	"strings"
	"testing"
)

// FuzzScriptErrors: no line of psql's hides the failure in another one.
func FuzzScriptErrors(f *testing.F) {
	f.Add(`psql:<stdin>:12: ERROR:  42710: role "x" already exists`)
	f.Add("psql:<stdin>:12: ERROR:  42501: permission denied\nLOCATION: x")
	f.Add("psql: error: connection failed")
	f.Fuzz(func(t *testing.T, line string) {
		var found scriptErrors
		found.add(line)
		before := len(found.list)
		if !found.add(`psql:<stdin>:1: ERROR:  58P01: directory does not exist`) || len(found.list) != before+1 {
			t.Errorf("%q hides the next error", line)
		}
	})
}

// FuzzSortProperties: what a dump says of a database is said of the target only.
func FuzzSortProperties(f *testing.F) {
	f.Add("shop", "target", "ENCODING = 'UTF8'")
	f.Add(`a"; DROP DATABASE x;`, `b";--`, "OWNER TO nobody")
	f.Add("a\nb", "'", "x")
	f.Fuzz(func(t *testing.T, source, target, text string) {
		if strings.ContainsRune(source+target, 0) {
			return // PostgreSQL has no such name
		}
		script := "\nCREATE DATABASE " + quoted(source) + " " + text + ";\nALTER DATABASE " + quoted(source) + " " + text + ";\n"
		p, err := sortProperties(script, source, target)
		if err == nil && !strings.HasPrefix(p.create, "CREATE DATABASE "+quoted(target)+" ") {
			t.Errorf("%q does not create %q", p.create, target)
		}
	})
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

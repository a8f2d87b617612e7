package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/schema"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// fewMarks is how many blocks may say that they are not run.
const fewMarks = 8

// block is a fenced part of a document.
type block struct {
	file   string
	line   int // of the fence
	lang   string
	text   string
	marked bool
	notRun string // why
}

func (b block) String() string { return fmt.Sprintf("%s:%d", filepath.Base(b.file), b.line) }

var (
	fence    = regexp.MustCompile("^( {0,3})```(.*)$")
	mark     = regexp.MustCompile(`^ *<!-- not run:? ?(.*?) ?-->$`)
	indented = regexp.MustCompile(`^( {4}|\t)`)
)

// documents are those whose code is run, the README first.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := schema.Documents(harness.Root())
	if err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(harness.Root(), "README.md")
	return append([]string{readme}, slices.DeleteFunc(files, func(file string) bool { return file == readme })...)
}

// blocksOf returns the fenced parts of a document. Code in any other form is an error: nobody
// would run it.
func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	var indent, before string
	for i, line := range strings.Split(string(text), "\n") {
		found := fence.FindStringSubmatch(line)
		switch {
		case open == nil && found != nil:
			open = &block{file: file, line: i + 1, lang: found[2]}
			indent = found[1]
			if m := mark.FindStringSubmatch(before); m != nil {
				open.marked, open.notRun = true, m[1]
			}
		case open != nil && found != nil:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case indented.MatchString(line):
			t.Errorf("%s:%d: code without a fence", file, i+1)
		}
		before = line
	}
	if open != nil {
		t.Errorf("%s is never closed", open)
	}
	return all
}

// command is how a line begins that somebody could type.
var command = regexp.MustCompile(`(?m)^(sudo |\$ )?(plakar|pg_\w+|psql|make|createdb|docker|curl) `)

// TestBlocks: all code is in fences that say what it is, and few of them are not run.
func TestBlocks(t *testing.T) {
	marks, run := 0, 0
	for _, file := range documents(t) {
		for _, b := range blocksOf(t, file) {
			switch b.lang {
			case "sh", "sql", "cron", "ini":
				run++
			case "text", "json":
				if found := command.FindString(b.text); found != "" {
					t.Errorf("%s is %s, and has a command: %s", b, b.lang, found)
				}
			default:
				t.Errorf("%s is in an unknown language %q: sh, sql, cron and ini are run, text and json are not", b, b.lang)
			}
			if b.lang == "cron" && len(submatches(cronLine, b.text)) == 0 || b.lang == "ini" && len(submatches(execStart, b.text)) == 0 {
				t.Errorf("%s has no command", b)
			}
			if b.marked {
				marks++
				if len(strings.Fields(b.notRun)) < 2 {
					t.Errorf("%s is not run, and does not say why", b)
				}
			}
		}
	}
	t.Logf("%d blocks, of which %d are not run", run, marks)
	if marks > fewMarks {
		t.Errorf("%d blocks are not run, more than %d", marks, fewMarks)
	}
	if run < 40 {
		t.Errorf("only %d blocks were found", run)
	}
}

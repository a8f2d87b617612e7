package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// maxTables is how many tables of a database are printed; the report has all.
const maxTables = 10

// Text is the report for a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	verdict := "PASSED"
	if !r.Passed {
		verdict = "FAILED"
	}
	line("%s: level %s, %s snapshot%s, in %s", verdict, r.Level, known(r.Snapshot.Kind, "unknown"), r.Snapshot.text(), r.Ended.Sub(r.Began).Round(time.Second))
	if r.Base != nil {
		line("  base backup%s", r.Base.text())
	}
	if r.Recovery != nil {
		line("  recovered to %s", r.Recovery.text())
	}
	if r.ServerVersion != nil {
		line("  server: PostgreSQL %s, configuration: %s", *r.ServerVersion, known(r.Configuration, "none"))
	}
	for _, s := range r.Steps {
		line("  %-8s %8.1f s", s.Name, s.Seconds)
	}
	for _, d := range r.Databases {
		line("  database %q: %s rows in %d tables, %s", d.Name, humanize.Comma(d.Rows), len(d.Tables), humanize.IBytes(uint64(d.Bytes))) // #nosec G115 -- not negative
		for _, t := range largest(d.Tables) {
			line("    %s.%s: %s rows%s", t.Schema, t.Name, humanize.Comma(t.Rows), t.beside())
		}
		if more := len(d.Tables) - maxTables; more > 0 {
			line("    and %d smaller tables", more)
		}
	}
	for _, w := range r.Warnings {
		line("  warning: %s", indented(w))
	}
	for _, p := range r.Problems {
		line("  problem: %s", indented(p))
	}
	return b.String()
}

// beside is what the number of rows can be compared with.
func (t *Table) beside() string {
	switch {
	case t.Expected != nil:
		return fmt.Sprintf(" (in the dump %s)", humanize.Comma(*t.Expected))
	case t.Estimate != nil:
		return fmt.Sprintf(" (estimate at the backup: %s)", humanize.Comma(*t.Estimate))
	}
	return ""
}

// text says how far it came.
func (r *Recovery) text() string {
	text := known(r.Target, "the end of the WAL")
	text += fmt.Sprintf(": %s on timeline %d", known(r.LSN, "nowhere"), r.Timeline)
	if r.Time != nil {
		text += ", the last transaction ended at " + r.Time.Format(time.RFC3339Nano)
	}
	return text
}

// text says which snapshot it is.
func (s *Snapshot) text() string {
	text := ""
	if s.Host != nil && s.Port != nil {
		text += fmt.Sprintf(" of %s:%d", *s.Host, *s.Port)
	}
	if s.CreatedAt != nil {
		text += " made at " + s.CreatedAt.Format(time.RFC3339)
	}
	return text
}

func known(text *string, otherwise string) string {
	if text == nil {
		return otherwise
	}
	return *text
}

func indented(text string) string { return strings.ReplaceAll(text, "\n", "\n           ") }

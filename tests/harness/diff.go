package harness

import (
	"fmt"
	"strings"
)

// diffLines returns the lines that only one of two fingerprints has, in full
// and below the heading that pg_dump gave their object; empty when the texts
// are equal.
func diffLines(want, got string) string {
	if want == got {
		return ""
	}
	a, b := underHeadings(want), underHeadings(got)
	var out strings.Builder
	heading := ""
	report := func(sign string, l headed) {
		if l.heading != heading {
			heading = l.heading
			fmt.Fprintf(&out, "  %s\n", heading)
		}
		fmt.Fprintf(&out, "%s %s\n", sign, l.line)
	}
	for _, l := range without(a, b) {
		report("-", l)
	}
	for _, l := range without(b, a) {
		report("+", l)
	}
	if out.Len() == 0 {
		for i := range a {
			if a[i] != b[i] {
				return fmt.Sprintf("the same lines in another order, from line %d on:\n- %s\n+ %s\n", i+1, a[i].line, b[i].line)
			}
		}
	}
	const most = 8000
	if out.Len() > most {
		return fmt.Sprintf("%s\n... (%d bytes more)\n", out.String()[:most], out.Len()-most)
	}
	return out.String()
}

// headed is a line and the comment that stands above its object.
type headed struct{ heading, line string }

func underHeadings(text string) []headed {
	var lines []headed
	heading := ""
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "-- ") {
			heading = line
		}
		lines = append(lines, headed{heading, line})
	}
	return lines
}

// without returns the lines of a that b lacks; a line that a has more often
// counts as lacking.
func without(a, b []headed) []headed {
	left := make(map[headed]int, len(b))
	for _, l := range b {
		left[l]++
	}
	var missing []headed
	for _, l := range a {
		if left[l]--; left[l] < 0 {
			missing = append(missing, l)
		}
	}
	return missing
}

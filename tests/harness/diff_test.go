package harness

import "testing"

func TestDiffLines(t *testing.T) {
	for _, c := range []struct{ want, got, diff string }{
		{"a\nb", "a\nb", ""},
		{"-- Name: t\na\nb", "-- Name: t\na\nc", "  -- Name: t\n- b\n+ c\n"},
		{"a\na", "a", "- a\n"},
		{"a\nb", "b\na", "the same lines in another order, from line 1 on:\n- a\n+ b\n"},
	} {
		if got := diffLines(c.want, c.got); got != c.diff {
			t.Errorf("%q, %q:\n%q, want\n%q", c.want, c.got, got, c.diff)
		}
	}
}

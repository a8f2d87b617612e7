package pgtools

import "testing"

func TestPatternRegexps(t *testing.T) {
	for pattern, want := range map[string][2]string{
		"orders":       {"", "^(orders)$"},
		"App.Or*":      {"^(app)$", "^(or.*)$"},
		`"App"."a.b?"`: {"^(App)$", `^(a\.b\?)$`},
		`"a""b"`:       {"", `^(a"b)$`},
		"shop.s?.t$[]": {"^(s.)$", `^(t\$\[])$`},
		"a|b(c)+":      {"", "^(a|b(c)+)$"},
		"été":          {"", "^(été)$"},
	} {
		if schema, name := PatternRegexps(pattern); schema != want[0] || name != want[1] {
			t.Errorf("%s: %q, %q, want %q", pattern, schema, name, want)
		}
	}
}

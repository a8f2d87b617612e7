package selection

import (
	"slices"
	"strings"
	"testing"
)

func TestUnmatched(t *testing.T) {
	r, got := selected(t, archive(t, "v15.dump"), Request{Tables: []string{"nosuch", "sch*.seen", "SEEN"}, Schemas: []string{"no*"}})
	if !slices.Equal(r.Unmatched, []string{"no*", "nosuch", "sch*.seen"}) || !slices.Contains(got, "VIEW public.seen") {
		t.Errorf("%+v, %q", r, got)
	}
	for pattern, want := range map[string]string{
		"a.b.c": "too many dots", `"a`: "double quote", "": "empty name", "a.": "empty name", "a(": "not a valid pattern",
	} {
		_, err := Select(nil, Request{Tables: []string{pattern}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", pattern, err, want)
		}
	}
	if _, err := Select(nil, Request{Schemas: []string{"a.b"}}); err == nil {
		t.Error("a schema with a dot: no error")
	}
	for pattern, want := range map[string]bool{"a": false, "a.b": true, `"a.b"`: false, `"a.b".c`: true, `"a`: false} {
		if Qualified(pattern) != want {
			t.Errorf("%s names a schema: %t", pattern, !want)
		}
	}
}

// As psql's manual says of patterns.
func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, schema, name string
		want                  bool
	}{
		{"orders", "any", "orders", true},
		{"ORDERS", "any", "orders", true},
		{`"ORDERS"`, "any", "orders", false},
		{`FOO"""BAR"""`, "any", `foo"BAR"`, true},
		{"app.ord*", "app", "orders", true},
		{"app.ord*", "app2", "orders", false},
		{"a?p.o?", "app", "oo", true},
		{"a?p.o?", "app", "ooo", false},
		{`"a?p".x`, "app", "x", false},
		{`"a.b".x`, "a.b", "x", true},
		{"t_[0-9]", "any", "t_7", true},
		{"t$", "any", "t$", true},
		{"a|b", "any", "b", true},
		{"*", "any", "new\nline", true},
		{`"it's"`, "any", "it's", true},
		{"größe", "any", "größe", true},
		{`"Shop$".app.orders`, "app", "orders", true},
		{`"Shop$".APP.or?ers`, "app", "orders", true},
		{`"Shop$".app.orders`, "Shop$", "app", false},
	} {
		p, err := parsePattern(test.pattern, true, "Shop$")
		if err != nil || p.matches(test.schema, test.name) != test.want {
			t.Errorf("%s for %s.%s: %t, %v", test.pattern, test.schema, test.name, !test.want, err)
		}
	}
}

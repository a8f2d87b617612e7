package rows

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrder(t *testing.T) {
	tables := []Table{{"s", "a"}, {"s", "b"}, {"s", "c"}}
	for name, c := range map[string]struct {
		keys []reference
		want []Step
		err  string
	}{
		"none":       {nil, []Step{{Tables: []int{0}}, {Tables: []int{1}}, {Tables: []int{2}}}, ""},
		"a chain":    {[]reference{{from: 0, to: 1}, {from: 1, to: 2}}, []Step{{Tables: []int{2}}, {Tables: []int{1}}, {Tables: []int{0}}}, ""},
		"deferrable": {[]reference{{from: 0, to: 1}, {from: 1, to: 0, Deferrable: true}, {from: 0, to: 2}}, []Step{{Tables: []int{2}}, {Tables: []int{1, 0}, Deferred: true}}, ""},
		"both":       {[]reference{{from: 0, to: 1, Deferrable: true}, {from: 1, to: 0, Deferrable: true}}, []Step{{Tables: []int{2}}, {Tables: []int{0, 1}, Deferred: true}}, ""},
		"a cycle":    {[]reference{{from: 0, to: 1, Name: "up"}, {from: 1, to: 0, Name: "down"}, {from: 2, to: 0, Name: "other"}}, nil, "up of s.a to s.b, down of s.b to s.a"},
	} {
		got, err := order(tables, c.keys)
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

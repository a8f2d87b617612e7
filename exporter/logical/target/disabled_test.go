package target

import (
	"slices"
	"testing"
)

func TestMarkWithNames(t *testing.T) {
	for _, database := range []string{"shop", `a"; disabled subscriptions: "b`, "two\nlines", "caf\xe9"} {
		bare := "plakar: complete, for database OID 16384: " + ident(database)
		for _, disabled := range [][]string{nil, {"sub"}, {`a", "b`, "new\nline", "\xff", `"`}} {
			comment := joinMark(bare, disabled)
			if got, names := splitMark(comment); got != bare || !slices.Equal(names, disabled) {
				t.Errorf("%q: %q %q", comment, got, names)
			}
		}
	}
	for _, comment := range []string{"", "the shop", "plakar: mine", "plakar: complete, for database OID 1: shop", `plakar: complete, for database OID 1: "shop" or not`} {
		if bare, names := splitMark(comment); bare != "" || names != nil {
			t.Errorf("%q: %q %q", comment, bare, names)
		}
	}
}

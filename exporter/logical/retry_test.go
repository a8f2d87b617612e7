package logical

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Several runs of pg_restore may have refused rows, and something else may have failed beside
// them: nothing of it is forgotten.
func TestRefusedIn(t *testing.T) {
	one := fmt.Errorf("x: %w", &refusedRows{error: errStopped, tables: []string{"a"}, refreshes: 1, others: 2})
	two := &refusedRows{error: errStopped, tables: []string{"b", "c"}, others: 1}
	for _, c := range []struct {
		err               error
		tables            []string
		refreshes, others int
	}{
		{nil, nil, 0, 0},
		{errStopped, nil, 0, 0},
		{errors.Join(errStopped, errStopped), nil, 0, 0},
		{one, []string{"a"}, 1, 2},
		{fmt.Errorf("y: %w", errors.Join(errors.Join(one, two), nil)), []string{"a", "b", "c"}, 1, 3},
		{errors.Join(errStopped, one), []string{"a"}, 1, 3},
	} {
		got := refusedIn(c.err)
		if got == nil {
			got = &refusedRows{}
		}
		if diff := cmp.Diff(c.tables, got.tables); diff != "" || got.refreshes != c.refreshes || got.others != c.others {
			t.Errorf("%v: %d refreshes, %d others, -want +got\n%s", c.err, got.refreshes, got.others, diff)
		}
	}
}

// A restore is well when the last time was, unless something else failed once.
func TestOutcome(t *testing.T) {
	refused := &refusedRows{error: errors.New("refused"), tables: []string{"a", "b"}, others: 1}
	for name, c := range map[string]struct {
		err   error
		times func(*retry)
		want  string
	}{
		"never failed":    {nil, func(*retry) {}, ""},
		"not tried again": {refused, func(*retry) {}, "refused"},
		"well":            {refused, func(r *retry) { r.note(refused, 1, nil) }, ""},
		"well in the end": {refused, func(r *retry) { r.note(refused, 1, refused); r.note(refused, 1, nil) }, ""},
		"something else":  {refused, func(r *retry) { r.note(refused, 0, refused); r.note(refused, 1, nil) }, "refused\nthe rows of a, b were restored once all other rows were there"},
		"still refused":   {refused, func(r *retry) { r.note(refused, 1, errStopped) }, "refused\nonce more, when all other rows were there: " + errStopped.Error()},
	} {
		r := retryOf(nil, c.err)
		c.times(r)
		got := ""
		if err := r.outcome(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

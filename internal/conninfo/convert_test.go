package conninfo

import "testing"

// No server is asked where there is nothing to be converted, or nothing known.
func TestConvertNothing(t *testing.T) {
	for _, c := range []struct{ from, to, text string }{
		{"LATIN1", "UTF8", "plain"}, {"UTF8", "UTF8", "größe"}, {"SQL_ASCII", "UTF8", "gr\xf6\xdfe"}, {"LATIN1", "SQL_ASCII", "gr\xf6\xdfe"}, {"", "UTF8", "gr\xf6\xdfe"},
	} {
		if converted, err := Convert(t.Context(), nil, []string{c.text}, c.from, c.to); err != nil || len(converted) > 0 {
			t.Errorf("%+v: %q, %v", c, converted, err)
		}
	}
}

package manifest

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// What is nested deeply comes out empty, and nothing else is changed, however it arrives.
func TestShallow(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": [{"b": [1, {"c": "]"}], "d": {}, "e": 2}]} x`:   `{"a": [{"b": [], "d": {}, "e": 2}]} x`,
		`{"[[[[": "\"[[[[", "\\": [["x\\\"]", ["]\"\\", 1]]]}`: `{"[[[[": "\"[[[[", "\\": [["x\\\"]", []]]}`,
		`[[[["]`: `[[[[`, `]]]]]1`: `]]]]]1`, ``: ``,
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := io.ReadAll(iotest.HalfReader(newShallow(r)))
			if err != nil || string(got) != want {
				t.Errorf("%s, %s: %s, %v, not %s", text, name, got, err, want)
			}
		}
	}
}

// A document that is cut off anywhere is refused, also in what is passed over.
func TestCutOffSummary(t *testing.T) {
	const text = `{"version": 2, "databases": [{"name": "a", "relations": [{"name": "t\"[", "columns": [{"x": [1]}]}]}]}`
	if _, err := ReadSummary(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if _, err := ReadSummary(strings.NewReader(text[:n])); err == nil {
			t.Errorf("%s is accepted", text[:n])
		}
	}
}

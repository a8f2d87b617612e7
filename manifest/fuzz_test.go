package manifest

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzReadSummary: whatever a snapshot's manifest holds, reading it ends, and what
// it accepts is of the version that is understood.
func FuzzReadSummary(f *testing.F) {
	for _, text := range []string{
		`{"version": 2}`, `{"version": 3}`, `{}`, `[]`, `null`, `{"version": 2`,
		`{"version": 2, "files": [{"path": "/00001-a.dump", "database": "a"}], "databases": [{"name": "a", "relations": [{}, 1]}]}`,
		`{"version": 2, "databases": [null]}`, `{"version": 2, "databases": null, "server_version_num": null}`,
		`{"version": 2, "x": [[[[{"y": "\ud800"}]]]]}`, `{"version": 2e0}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		summary, err := ReadSummary(bytes.NewReader(text))
		if err == nil && summary.Version != Version {
			t.Errorf("%q: version %d is accepted", text, summary.Version)
		}
		again, errAgain := ReadSummary(bytes.NewReader(slices.Clone(text)))
		if (err == nil) != (errAgain == nil) || err == nil && len(again.Files) != len(summary.Files) {
			t.Errorf("%q: read twice, %v and %v", text, err, errAgain)
		}
	})
}

package physical

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

func TestBase(t *testing.T) {
	old := backupmanifest.WALRange{Timeline: 1, Start: "0/FF000028", End: "1/200028"}
	last := backupmanifest.WALRange{Timeline: 2, Start: "1/200028", End: "1/200100"}
	want := &manifest.Base{StartLSN: "0/FF000028", EndLSN: "1/200100", Timeline: 2}
	for _, ranges := range [][]backupmanifest.WALRange{{old, last}, {last, old}} {
		got, err := baseOf(ranges)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	if got, err := baseOf(nil); got != nil || err != nil {
		t.Error(got, err)
	}
	if got, err := baseOf([]backupmanifest.WALRange{{Timeline: 1, Start: "nowhere", End: "0/1"}}); err == nil {
		t.Error(got)
	}
}

package conninfo

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A role is told of what it may not change and what may end its backup, or change it.
func TestBeyond(t *testing.T) {
	s := state{values: map[string]value{
		"temp_file_limit":    {setting: "0"},
		"zero_damaged_pages": {setting: "on", allowed: true},
		"lock_timeout":       {setting: "1"}, // the tools set it themselves
		"array_nulls":        {setting: "on"},
	}}
	if diff := cmp.Diff([]string{"temp_file_limit=0"}, s.beyond()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	s.values["temp_file_limit"] = value{setting: "-1"}
	if names := s.beyond(); len(names) > 0 {
		t.Errorf("%q", names)
	}
}

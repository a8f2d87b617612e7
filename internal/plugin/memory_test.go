package plugin

import "testing"

// The limit grows with what is held: at least 4 MiB for each job.
func TestMemoryLimit(t *testing.T) {
	few, many := memoryLimit(nil), memoryLimit(map[string]string{"jobs": "64"})
	if few > 128<<20 {
		t.Errorf("%d bytes without jobs: the plugin promises less than 200 MiB", few)
	}
	if many-few < 63*4<<20 {
		t.Errorf("%d bytes with 64 jobs, %d with one", many, few)
	}
}

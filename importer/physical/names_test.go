package physical

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
)

// A million files take little memory, and any of them can be named.
func TestManyNames(t *testing.T) {
	const files, limit = 1_000_000, 60 << 20
	name := func(i int) string { return fmt.Sprintf("base/%d/%d", 16384+i/1000, 16400+i*7%900_000) }
	c := newVerifier("1")
	before := heap()
	for i := range files {
		if err := c.add(name(i), backupmanifest.Sum{Size: int64(i), CRC: uint32(i)}); err != nil {
			t.Fatal(err)
		}
	}
	grown := heap() - before
	t.Logf("%d MiB", grown>>20)
	if grown > limit {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if err := c.checkDuplicate(name(500_000)); err == nil {
		t.Error("a name was taken twice")
	}
	for i := range files {
		if i == 700_007 {
			continue // is not expected
		}
		size := int64(i)
		c.File(backupmanifest.File{Path: name(i), Size: &size, Algorithm: "CRC32C",
			Checksum: fmt.Sprintf("%02x%02x%02x%02x", byte(i), byte(i>>8), byte(i>>16), byte(i>>24))})
	}
	c.compared = true
	err := c.verdict(true)
	if want := fmt.Sprintf("%q is not in the backup manifest", name(700_007)); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
		t.Errorf("%v, want only: %s", err, want)
	}
}

func heap() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

package options

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDirectory(t *testing.T) {
	for location, want := range map[string]string{
		"postgres+bin:///var/lib/pg":  "/var/lib/pg",
		"postgres+bin:///var/lib/pg/": "/var/lib/pg",
		"postgres+bin://./pg":         "pg",
		"postgres+bin://../pg":        "../pg",
		"postgres+bin:///a b%20c?d=e": "/a b%20c?d=e",
		"postgres+bin:/var/lib/pg":    "/var/lib/pg", // plakar makes the longer form of it
	} {
		o, err := DecodePhysicalRestore(map[string]string{"location": location})
		if err != nil {
			t.Error(err)
		}
		if got, err := o.Directory(); got != want || err != nil {
			t.Errorf("%s: %q %v, want %q", location, got, err, want)
		}
	}
}

func TestTablespaceMap(t *testing.T) {
	o, err := DecodePhysicalRestore(map[string]string{
		"location": "postgres+bin:///pg", "tablespaces": `fast=/mnt/fast/, 16386=/mnt/slow,/old/a=b=/mnt/x,"a,b"=/mnt/y`,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := o.TablespaceMap()
	want := map[string]string{"fast": "/mnt/fast", "16386": "/mnt/slow", "/old/a=b": "/mnt/x", "a,b": "/mnt/y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPhysicalRestoreRefuses(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"location", "postgres+bin://var/lib/pg", "is a slash missing, for postgres+bin:///var/lib/pg?"},
		{"location", "postgres+bin://~/pg", "not a path"},
		{"location", "postgres+bin://", "names no directory"},
		{"location", "", "names no directory"},
		{"tablespaces", "fast", "name=/directory"},
		{"tablespaces", "fast=mnt", "name=/directory"},
		{"tablespaces", "=/mnt", "name=/directory"},
		{"tablespaces", "fast=/a,fast=/b", "twice"},
		{"wal_dir", "wal", "an absolute path"},
		{"target", "latest", "immediate"},
		{"target_action", "pause", "target=immediate"},
		{"settings", "none", "safe, keep"},
		{"target_time", "2026-11-25", "unknown option"},
	} {
		settings := map[string]string{"location": "postgres+bin:///pg"}
		settings[c.key] = c.value
		if _, err := DecodePhysicalRestore(settings); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.want)
		}
	}
}

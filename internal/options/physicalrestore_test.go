package options

import (
	"strings"
	"testing"
	"time"

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
		{"target_time", "2026-11-25", "with its distance from UTC"},
		{"target_time", "2026-11-25 14:30:00", "with its distance from UTC"},
		{"target_time", "2026-11-25 14:30:00 CET", "with its distance from UTC"},
		{"target_time", "2026-02-30 14:30:00Z", "is not a time"},
		{"target_lsn", "1/4A7F1C800", "like 1/4A7F1C8"},
		{"target_lsn", "14A7F1C8", "like 1/4A7F1C8"},
		{"target_xid", "-1", "like 74231"},
		{"target_xid", "2", "like 74231"},
		{"target_name", strings.Repeat("x", 64), "at most 63 bytes"},
		{"target_name", "a\nb", "no line break"},
		{"target_timeline", "newest", "latest, current or the number"},
		{"target_timeline", "0", "latest, current or the number"},
		{"target_inclusive", "false", "give one of them"},
		{"target_inclusive", "perhaps", "true or false"},
		{"pg_bin_dir", "bin", "an absolute path"},
	} {
		settings := map[string]string{"location": "postgres+bin:///pg"}
		settings[c.key] = c.value
		if _, err := DecodePhysicalRestore(settings); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.want)
		}
	}
}

func TestTargetTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-25 14:30:00+01":          "2026-11-25T13:30:00Z",
		"2026-11-25T14:30:00.123456+0530": "2026-11-25T09:00:00.123456Z",
		"2026-11-25 14:30 -08:00":         "2026-11-25T22:30:00Z",
		"2026-11-25 14:30:00 UTC":         "2026-11-25T14:30:00Z",
		"2026-11-25T14:30:00Z":            "2026-11-25T14:30:00Z",
	} {
		o, err := DecodePhysicalRestore(map[string]string{"location": "postgres+bin:///pg", "target_time": text})
		if err != nil {
			t.Error(err)
		}
		if at, ok, err := o.TargetTime(); !ok || err != nil || at.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v %v, want %s", text, at, err, want)
		}
	}
}

func TestOneTarget(t *testing.T) {
	settings := map[string]string{"location": "postgres+bin:///pg", "target_time": "2026-11-25 14:30:00+01", "target_lsn": "1/4A7F1C8"}
	if _, err := DecodePhysicalRestore(settings); err == nil || !strings.Contains(err.Error(), "options target_time, target_lsn: a recovery has one target") {
		t.Error(err)
	}
	settings = map[string]string{
		"location": "postgres+bin:///pg", "target_xid": "4294968000", "target_inclusive": "false", "target_timeline": "2", "target_action": "pause",
	}
	o, err := DecodePhysicalRestore(settings)
	if timeline, current, _ := o.TargetTimeline(); err != nil || timeline != 2 || current || o.Inclusive || o.NeedsWAL() != "target_xid" {
		t.Errorf("%+v %v", o, err)
	}
}

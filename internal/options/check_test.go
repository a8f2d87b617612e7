package options

import (
	"maps"
	"strings"
	"testing"
)

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"location", "postgres+check://var/tmp", "is a slash missing, for postgres+check:///var/tmp?"},
		{"location", "", "names no directory"},
		{"level", "all", "start, read, amcheck"},
		{"jobs", "0", "from 1 to 256"},
		{"timeout", "-1s", "a duration"},
		{"wal_dir", "/x", "unknown option"},
		{"dump", "/x", "use both"},
		{"tables", "a.b.c", "use both"},
		{"target_time", "2026-11-25", "with its distance from UTC"},
		{"target_action", "pause", "is promoted at the target"},
		{"target_inclusive", "false", "give one of them as well"},
	} {
		settings := map[string]string{"location": "postgres+check:///var/tmp"}
		settings[c.key] = c.value
		if _, err := DecodeCheck(settings); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v does not say %q", c.key, c.value, err, c.want)
		}
	}
	if _, err := DecodeCheck(map[string]string{"location": "postgres+check:///x", "level": "start", "databases": "a"}); err == nil {
		t.Error("databases are accepted where none is looked into")
	}
	o, err := DecodeCheck(map[string]string{"location": "postgres+check://./x", "databases": `b,a,b,"c,d"`})
	if err != nil || o.Jobs == 0 || o.Level != LevelRead || strings.Join(o.Databases, "|") != "a|b|c,d" {
		t.Errorf("%+v %v", o, err)
	}
}

// What is for the server that comes later is not given before.
func TestPrepareRefuses(t *testing.T) {
	settings := map[string]string{"location": "postgres+check:///x", "prepare": "true", "level": "amcheck", "report": "/r"}
	if _, err := DecodeCheck(settings); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{
		"keep": "true", "databases": "a", "tables": "a.b.c", "dump": "/d", "target": "immediate", "target_lsn": "0/1", "target_timeline": "1",
	} {
		with := maps.Clone(settings)
		with[name] = value
		if _, err := DecodeCheck(with); err == nil || !strings.Contains(err.Error(), `option "prepare": no server is started yet: give `+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The settings of a target decode to it.
func TestRecoveryTargetSettings(t *testing.T) {
	for _, settings := range []map[string]string{
		{}, {"target": "immediate"}, {"target_time": "2026-11-25 14:30:00+01", "target_inclusive": "false"}, {"target_lsn": "1/2", "target_timeline": "3"},
		{"target_xid": "7"}, {"target_name": "n"},
	} {
		settings["location"] = "postgres+check:///x"
		want, err := DecodeCheck(settings)
		if err != nil {
			t.Error(err)
		}
		again := want.RecoveryTarget.Settings()
		again["location"] = "postgres+check:///x"
		if got, err := DecodeCheck(again); err != nil || got.RecoveryTarget != want.RecoveryTarget {
			t.Errorf("%v becomes %+v: %v", settings, got.RecoveryTarget, err)
		}
	}
}

func TestDumpTables(t *testing.T) {
	for tables, want := range map[string]string{
		"shop.public.orders":                         "shop|public.orders",
		`"my.shop".public."a.b","my.shop".x*.order?`: `my.shop|public."a.b"|x*.order?`,
		"shop.public.a,other.public.b":               "two databases",
		"public.orders":                              "database.schema.table",
		"shop..orders":                               "database.schema.table",
	} {
		o, err := DecodeCheck(map[string]string{"location": "postgres+check:///x", "tables": tables, "dump": "/x"})
		database, patterns, _ := o.DumpTables()
		got := strings.Join(append([]string{database}, patterns...), "|")
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", tables, got, want)
		}
	}
}

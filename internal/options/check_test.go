package options

import (
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

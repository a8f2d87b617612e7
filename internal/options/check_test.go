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

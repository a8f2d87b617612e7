package conninfo

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/settings"
)

// Where the tools' settings do not arrive, what a database has otherwise is refused, be it
// seen in a session or only noted for new ones: what matters of it, the role, too.
func TestCheckKept(t *testing.T) {
	for name, c := range map[string]struct {
		uri         string
		here, noted map[string]string
		refused     string // "" for nothing
	}{
		"as they have to be":   {noted: map[string]string{"array_nulls": "true", "DateStyle": "iso", "statement_timeout": "0s", "work_mem": "1MB"}},
		"does not matter":      {here: map[string]string{"bytea_output": "escape", "search_path": "evil"}, noted: map[string]string{"lc_monetary": "C.UTF-8"}},
		"in the session":       {here: map[string]string{"array_nulls": "off"}, refused: "array_nulls=off"},
		"in new sessions":      {noted: map[string]string{"default_transaction_read_only": "1"}, refused: "default_transaction_read_only=1"},
		"role":                 {here: map[string]string{"role": "app"}, refused: "role=app"},
		"role in new sessions": {noted: map[string]string{"role": "app"}, refused: "role=app"},
		"named by the user":    {uri: "?options=-c%20array_nulls%3Don", here: map[string]string{"array_nulls": "off"}, refused: "array_nulls=off"},
		"given by the user":    {uri: "?options=-c%20DateStyle%3DISO,DMY%20-c%20array_nulls%3DOFF", here: map[string]string{"array_nulls": "off"}},
	} {
		info := parse(t, options.Connection{Location: "postgres://h/" + c.uri}).WithDatabase("shop").withoutOptions()
		info.facts = &facts{pinned: settings.Pinned}
		s := state{values: map[string]value{"role": {setting: "none"}}, noted: c.noted}
		for _, p := range settings.Pinned {
			s.values[p.Name] = value{setting: p.Value}
		}
		for setting, text := range c.here {
			s.values[setting] = value{setting: text}
		}
		err := info.checkKept(s)
		if c.refused == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.refused != "" && (err == nil || !strings.Contains(err.Error(), "\"shop\" or the server: "+c.refused+"\n")) {
			t.Errorf("%s: %v, want %s", name, err, c.refused)
		}
	}
}

// What the tools were not given is not claimed of a backup.
func TestSettings(t *testing.T) {
	info := parse(t, options.Connection{Location: "postgres://h/?options=-c%20lc_monetary%3DC.UTF-8%20-c%20array_nulls%3Dtrue"})
	info.facts = &facts{pinned: settings.Pinned}
	if all := info.Settings(); all["lc_monetary"] != "C.UTF-8" || all["array_nulls"] != "true" || all["lc_time"] != "C" || all["DateStyle"] != "ISO, MDY" || all["role"] != "none" {
		t.Errorf("settings: %v", all)
	}
	all := info.withoutOptions().Settings()
	for _, name := range []string{"lc_monetary", "array_nulls", "lc_time"} {
		if value, claimed := all[name]; claimed {
			t.Errorf("through a pooler: %s=%s", name, value)
		}
	}
	if all["DateStyle"] != "ISO, MDY" || all["role"] != "none" {
		t.Errorf("through a pooler: %v", all)
	}
}

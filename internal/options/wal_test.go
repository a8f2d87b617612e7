package options

import (
	"strings"
	"testing"
)

func TestDecodeWAL(t *testing.T) {
	o, err := DecodeWAL(map[string]string{"location": "postgres+wal://u@h/"})
	if err != nil || o.Slot != "plakar" || o.Window != 128<<30 || o.ContinueOnError || o.SpoolSize != 1<<30 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = DecodeWAL(map[string]string{"slot": "a_1", "window": "1GiB", "continue_on_error": "yes"}); err == nil {
		t.Errorf("%+v", o)
	}
	for option, values := range map[string][]string{
		"slot": {"A", "a-b", "a b", strings.Repeat("a", 64)}, "window": {"0", "-1", "many", "2EiB"},
		"database": {"shop"}, "spool_size": {"x"}, "continue_on_error": {"2"}, "port": {"0"}, "checkpoint": {"fast"},
	} {
		for _, value := range values {
			if _, err := DecodeWAL(map[string]string{option: value}); err == nil || !strings.Contains(err.Error(), `option "`+option+`"`) {
				t.Errorf("%s=%q: %v", option, value, err)
			}
		}
	}
	if err := o.CheckSelection("shop"); err == nil || !strings.Contains(err.Error(), "shop") {
		t.Error(err)
	}
	for _, f := range Fields(WAL{}) {
		if f.Name == "database" {
			t.Error("database is listed")
		}
	}
}

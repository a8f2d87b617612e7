package options

import (
	"slices"
	"strings"
	"testing"
)

func TestDecodeImportAWS(t *testing.T) {
	const set = "set"
	for _, c := range []struct {
		given string
		want  []string
	}{
		{"", nil},
		{"rdsadmin, other", []string{"rdsadmin", "other"}},
		{set, []string{"rdsadmin"}}, // not given
	} {
		settings := map[string]string{"location": "postgres+aws://u@h", "region": "eu-west-1", "password": ""}
		if c.given != set {
			settings["exclude_databases"] = c.given
		}
		o, err := DecodeImportAWS(settings)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(o.ExcludeDatabases, c.want) {
			t.Errorf("exclude_databases=%q: %q, want %q", c.given, o.ExcludeDatabases, c.want)
		}
		if o.Region != "eu-west-1" || o.Jobs == 0 {
			t.Errorf("%+v", o)
		}
	}
	// The default is that of postgres+aws alone.
	if o, err := DecodeImport(nil); err != nil || len(o.ExcludeDatabases) > 0 {
		t.Errorf("postgres: %q, %v", o.ExcludeDatabases, err)
	}
}

func TestRefusedAWS(t *testing.T) {
	importer := func(s map[string]string) error { _, err := DecodeImportAWS(s); return err }
	exporter := func(s map[string]string) error { _, err := DecodeExportAWS(s); return err }
	for name, c := range map[string]struct{ key, value, want string }{
		"no region":           {"region", "", `option "region" is required`},
		"availability zone":   {"region", "eu-west-1a", `"eu-west-1a" is not accepted`},
		"password":            {"password", "secret", `option "password" is not accepted: an IAM token takes its place`},
		"what both share":     {"ssl_mode", "on", `option "ssl_mode"`},
		"unknown":             {"tabels", "x", "port, "},
		"checked as a whole":  {"schema_only", "true", "exclude each other"},
		"checked afterwards":  {"ssl_key_data", "x", "PEM"},
		"the other connector": {"max_rate", "1", `unknown option "max_rate"`},
	} {
		for _, decode := range []func(map[string]string) error{importer, exporter} {
			settings := map[string]string{"location": "postgres+aws://u@h", "region": "eu-west-1", "data_only": "true"}
			settings[c.key] = c.value
			err := decode(settings)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want %q", name, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error holds the secret: %v", name, err)
			}
		}
	}
}

func TestFieldsAWS(t *testing.T) {
	for _, target := range []any{ImportAWS{}, ExportAWS{}} {
		for _, f := range Fields(target) {
			switch f.Name {
			case "password":
				t.Errorf("%T: password is accepted", target)
			case "region":
				if !f.Required {
					t.Errorf("%T: region is not required", target)
				}
			case "exclude_databases":
				if f.Default != "rdsadmin" {
					t.Errorf("%T: %+v", target, f)
				}
			}
		}
	}
}

package options

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeImport(t *testing.T) {
	o, err := DecodeImport(map[string]string{
		"location": "postgres://h/db", "password": "secret", "compress": "TRUE", "jobs": "3", "schema_only": "",
		"tables": `public.orders, "odd, ""name""".t*`, "exclude_databases": `a,"b,c","d""e"`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.Compress != "gzip" || o.SchemaOnly || o.Jobs != 3 || o.Password != "secret" {
		t.Errorf("%+v", o)
	}
	if diff := cmp.Diff([]string{"public.orders", `"odd, ""name""".t*`}, o.Tables); diff != "" {
		t.Errorf("tables: -want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b,c", `d"e`}, o.ExcludeDatabases); diff != "" {
		t.Errorf("exclude_databases: -want +got\n%s", diff)
	}
}

// TestCompress: a boolean became a choice, and its old spellings hold.
func TestCompress(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "false": "", "0": "", "F": "", "true": "gzip", "1": "gzip", "TRUE": "gzip", "gzip": "gzip", "lz4": "lz4", "zstd": "zstd",
	} {
		o, err := DecodeImport(map[string]string{"compress": text})
		if err != nil || o.Compress != want {
			t.Errorf("compress=%s: %q, %v; want %q", text, o.Compress, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	importer := func(s map[string]string) error { _, err := DecodeImport(s); return err }
	exporter := func(s map[string]string) error { _, err := DecodeExport(s); return err }
	const key = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
	for _, c := range []struct {
		name     string
		decode   func(map[string]string) error
		settings map[string]string
		want     []string
	}{
		{"unknown", importer, map[string]string{"tabels": "x"}, []string{`"tabels"`, "tables"}},
		{"exporter's on importer", importer, map[string]string{"recreate": "true"}, []string{`"recreate"`}},
		{"boolean", importer, map[string]string{"schema_only": "maybe"}, []string{`"schema_only"`, `"maybe"`, "true or false"}},
		{"boolean or more", importer, map[string]string{"compress": "lzma"}, []string{`"compress"`, `"lzma"`, "true, gzip, lz4, zstd"}},
		{"number", importer, map[string]string{"jobs": "many"}, []string{`"jobs"`, "1 to 256"}},
		{"too small", exporter, map[string]string{"jobs": "0"}, []string{`"jobs"`, "1 to 256"}},
		{"port", importer, map[string]string{"port": "0"}, []string{`"port"`, "1 to 65535"}},
		{"enum", importer, map[string]string{"ssl_mode": "on"}, []string{`"ssl_mode"`, "verify-full"}},
		{"list", importer, map[string]string{"tables": "a,,b"}, []string{`"tables"`, "empty"}},
		{"quotes", importer, map[string]string{"tables": `"a`}, []string{`"tables"`, "pairs"}},
		{"both kinds of content", importer, map[string]string{"schema_only": "true", "data_only": "true"}, []string{`"schema_only"`, `"data_only"`}},
		{"layout", importer, map[string]string{"layout": "table"}, []string{`"layout"`, "single, tables"}},
		{"layout of a part", importer, map[string]string{"layout": "tables", "data_only": "true", "tables": "t"}, []string{`"layout" and "data_only"`, `"layout" and "tables"`, "layout=single"}},
		{"clean and recreate", exporter, map[string]string{"clean": "true", "recreate": "1"}, []string{`"clean"`, `"recreate"`}},
		{"recreate without schema", exporter, map[string]string{"recreate": "true", "data_only": "true"}, []string{`"recreate"`, `"data_only"`}},
		{"PEM", importer, map[string]string{"ssl_key_data": "secret"}, []string{`"ssl_key_data"`, "PEM"}},
		{"PEM of another kind", importer, map[string]string{"ssl_cert_data": key}, []string{`"ssl_cert_data"`, "CERTIFICATE"}},
		{"two certificates", importer, map[string]string{"ssl_key": "/secret", "ssl_key_data": key}, []string{`"ssl_key"`, `"ssl_key_data"`}},
		{"NUL in a secret", importer, map[string]string{"password": "secret\x00"}, []string{`"password"`}},
	} {
		err := c.decode(c.settings)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", c.name, err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a secret is repeated: %q", c.name, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := DecodeImport(map[string]string{"jobs": "x", "compress": "y", "nosuch": "z"})
	for _, want := range []string{`"jobs"`, `"compress"`, `"nosuch"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

func TestLockTimeout(t *testing.T) {
	o, err := DecodeImport(map[string]string{"lock_timeout": "1m30s"})
	if err != nil || o.LockTimeout != 90*time.Second || o.Summary()["lock_timeout"] != "1m30s" {
		t.Errorf("%s, %v", o.LockTimeout, err)
	}
	for _, bad := range []string{"5", "-1s", "0", "1us", "soon"} {
		if _, err := DecodeImport(map[string]string{"lock_timeout": bad}); err == nil || !strings.Contains(err.Error(), `"5m"`) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestForceNeedsRecreate(t *testing.T) {
	if _, err := DecodeExport(map[string]string{"force": "true"}); err == nil || !strings.Contains(err.Error(), `"recreate"`) {
		t.Error(err)
	}
	if _, err := DecodeExport(map[string]string{"force": "true", "recreate": "true"}); err != nil {
		t.Error(err)
	}
}

func TestPatternsNeedADatabase(t *testing.T) {
	for _, name := range []string{"schemas", "exclude_schemas", "tables", "exclude_tables", "exclude_table_data"} {
		o, err := DecodeImport(map[string]string{name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.CheckSelection(""); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s without a database: %v", name, err)
		}
		if err := o.CheckSelection("shop"); err != nil {
			t.Errorf("%s with a database: %v", name, err)
		}
	}
}

func TestSummaryHoldsNoSecret(t *testing.T) {
	o, err := DecodeImport(map[string]string{"location": "postgres://u:secret@h", "password": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range o.Summary() {
		for _, f := range Fields(Connection{}) {
			if f.Name == name {
				t.Errorf("the connection option %q is in the manifest: %v", name, value)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("tables", `a,"b,c"`)
	f.Add("jobs", "-1")
	f.Add("max_rate", "3M")
	f.Add("spool_size", "1e3GiB")
	f.Add("checkpoint", "slow")
	f.Fuzz(func(t *testing.T, key, value string) {
		_, errImport := DecodeImport(map[string]string{key: value})
		_, errExport := DecodeExport(map[string]string{key: value})
		_, errPhysical := DecodePhysical(map[string]string{key: value})
		for _, err := range []error{errImport, errExport, errPhysical} {
			if err != nil && !strings.Contains(err.Error(), "option") {
				t.Errorf("%q=%q: %v does not name an option", key, value, err)
			}
		}
	})
}

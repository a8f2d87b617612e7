package manifest_test

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

func TestReadPhysical(t *testing.T) {
	const text = `{"version": 2, "connector": "postgres+bin", "dump_format": "basebackup", "server_version": "17.1", "in_recovery": true,
		"cluster_system_identifier": "7320280665284567118", "base": {"start_lsn": "0/2000028", "end_lsn": "0/2000100", "timeline": 3, "end_time": null},
		"tablespaces": [{"oid": 16384, "name": "fast", "owner": "o", "location": "/srv", "options": []}],
		"databases": [{"name": "a", "collation_version": "2.36", "locale_provider": "libc", "relations": [{"name": "t"}]}], "warnings": []}`
	got, err := manifest.ReadPhysical(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got.ServerVersion != "17.1" || got.SystemIdentifier != "7320280665284567118" || !got.InRecovery || got.Base.Timeline != 3 ||
		got.Tablespaces[0].OID != 16384 || *got.Databases[0].CollationVersion != "2.36" {
		t.Errorf("%s", asJSON(got))
	}
	// One made before the fields were, by a role that could see nothing.
	old, err := manifest.ReadPhysical(strings.NewReader(`{"version": 2, "connector": "postgres+bin", "dump_format": "basebackup",
		"server_version": null, "in_recovery": null, "cluster_system_identifier": null, "tablespaces": null, "databases": [], "warnings": []}`))
	if err != nil || old.Base != nil || old.ServerVersion != "" || old.Tablespaces != nil || old.InRecovery {
		t.Errorf("%s %v", asJSON(old), err)
	}
	for _, text := range []string{`{"version": 3}`, `[]`, `{"version": 2, "databases": [`} {
		if _, err := manifest.ReadPhysical(strings.NewReader(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

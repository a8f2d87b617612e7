package conninfo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// Malformed values are not repeated, wherever they come from: a separator that is not
// one makes a secret part of them.
func TestValuesAreNotRepeated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(file, []byte("[mode]\nsslmode=require;password=secret\n[count]\nconnect_timeout=5 password=secret\n[port]\nport=5432 password=secret\n[name]\npassword secret=x\n[attrs]\ntarget_session_attrs=any password=secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"mode", "count", "port", "name", "attrs"} {
		_, err := Parse(options.Connection{Location: "postgres://?service=" + service}, []string{"PGSERVICEFILE=" + file})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", service, err)
		}
	}
	for _, variable := range []string{
		"PGSSLMODE", "PGCONNECT_TIMEOUT", "PGPORT", "PGTARGETSESSIONATTRS", "PGMINPROTOCOLVERSION", "PGCHANNELBINDING",
		"PGSSLNEGOTIATION", "PGREQUIREAUTH", "PGSSLROOTCERT", "PGSSLSNI", "PGSSLCERTMODE",
	} {
		if _, err := Parse(options.Connection{Location: "postgres://h"}, []string{variable + "=x password=secret"}); err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

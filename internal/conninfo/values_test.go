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

// What libpq refuses is refused, wherever it comes from, and what it accepts is not.
func TestValues(t *testing.T) {
	for query, refused := range map[string]string{
		"ssl_min_protocol_version=TLSv1.2":                                  "",
		"ssl_min_protocol_version=tlsv1.3":                                  "",
		"ssl_min_protocol_version=TLS1.2":                                   "ssl_min_protocol_version",
		"ssl_max_protocol_version=1.3":                                      "ssl_max_protocol_version",
		"ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=tlsv1.2": "no version of TLS",
		"ssl_min_protocol_version=TLSv1.2&ssl_max_protocol_version=TLSv1.2": "",
		"target_session_attrs=readwrite":                                    "target_session_attrs",
		"target_session_attrs=prefer-standby":                               "",
		"gssencmode=prefer":                                                 "",
		"gssencmode=required":                                               "gssencmode",
		"gssencmode=require":                                                "gssencmode",
		"channel_binding=required":                                          "channel_binding",
		"channel_binding=require":                                           "",
		"load_balance_hosts=on":                                             "load_balance_hosts",
		"load_balance_hosts=random":                                         "",
		"sslnegotiation=postgresql":                                         "sslnegotiation",
		"sslnegotiation=direct":                                             "ssl_mode",
		"sslnegotiation=direct&sslmode=require":                             "",
		"sslmode=Require":                                                   "ssl_mode",
		"sslcertmode=never":                                                 "sslcertmode",
		"sslcertmode=disable":                                               "",
		"sslsni=no":                                                         "sslsni",
		"sslsni=0":                                                          "",
		"sslcompression=yes":                                                "sslcompression",
		"max_protocol_version=3":                                            "max_protocol_version",
		"max_protocol_version=latest":                                       "",
		"require_auth=scram-sha256":                                         "require_auth",
		"require_auth=scram-sha-256,md5":                                    "",
		"require_auth=!password,!none":                                      "",
		"require_auth=!password,md5":                                        "require_auth",
		"require_auth=md5,md5":                                              "require_auth",
		"keepalives_idle=1m":                                                "keepalives_idle",
		"hostaddr=192.0.2.1":                                                "",
		"hostaddr=192.0.2.1,192.0.2.2":                                      "hostaddr",
		"hostaddr=db.example.com":                                           "hostaddr",
		"hostaddr=::1":                                                      "",
	} {
		_, err := Parse(options.Connection{Location: "postgres://h/?" + query}, nil)
		if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%s: %v", query, err)
		}
	}
	// The same values in variables of libpq's.
	for variable, name := range map[string]string{"PGSSLMINPROTOCOLVERSION=TLSv12": "ssl_min_protocol_version", "PGHOSTADDR=::1,::2": "hostaddr"} {
		if _, err := Parse(options.Connection{Location: "postgres://h/"}, []string{variable}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	info := parse(t, options.Connection{Location: "postgres://a,b,c/?hostaddr=192.0.2.1,,192.0.2.3"})
	if got := info.hosts()[2].keywords["hostaddr"] + info.hosts()[1].keywords["hostaddr"]; got != "192.0.2.3" {
		t.Errorf("addresses belong to other hosts: %q", got)
	}
}

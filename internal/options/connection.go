package options

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Connection holds the options that say how to reach the server. They override
// what the URI in Location says; what neither says comes from libpq's defaults.
type Connection struct {
	Location        string `option:"location" doc:"connection URI: postgres://[user@][host[:port],...][/database][?parameter=value&...]"`
	Host            string `option:"host" unset:"localhost" doc:"server name or address; a path is the directory of a Unix socket; several are separated by commas"`
	Port            string `option:"port" unset:"5432" doc:"TCP port, or one for each host"`
	Username        string `option:"username" doc:"user name"`
	Password        string `option:"password" secret:"true" doc:"password"`
	Database        string `option:"database" doc:"the one database to back up, or to restore into"`
	SSLMode         string `option:"ssl_mode" enum:"disable|allow|prefer|require|verify-ca|verify-full" unset:"prefer" doc:"whether and how TLS is used"`
	SSLCert         string `option:"ssl_cert" doc:"file with the client certificate"`
	SSLKey          string `option:"ssl_key" doc:"file with the client key"`
	SSLRootCert     string `option:"ssl_root_cert" doc:"file with the certificate authorities that are trusted, or \"system\""`
	SSLCertData     string `option:"ssl_cert_data" secret:"true" doc:"client certificate, as PEM text"`
	SSLKeyData      string `option:"ssl_key_data" secret:"true" doc:"client key, as PEM text"`
	SSLRootCertData string `option:"ssl_root_cert_data" secret:"true" doc:"certificate authorities that are trusted, as PEM text"`

	// PgBinDir is the directory with the client tools; empty means to look for
	// those that fit the server.
	PgBinDir string `option:"pg_bin_dir" doc:"directory with the PostgreSQL client tools; otherwise those that fit the server are looked for"`
}

func (c *Connection) check() error {
	return errors.Join(
		c.checkPort(),
		checkPEM("ssl_cert_data", c.SSLCertData, "CERTIFICATE"),
		checkPEM("ssl_key_data", c.SSLKeyData, "PRIVATE KEY"),
		checkPEM("ssl_root_cert_data", c.SSLRootCertData, "CERTIFICATE"),
		exclusive("ssl_cert", c.SSLCert != "", "ssl_cert_data", c.SSLCertData != ""),
		exclusive("ssl_key", c.SSLKey != "", "ssl_key_data", c.SSLKeyData != ""),
		exclusive("ssl_root_cert", c.SSLRootCert != "", "ssl_root_cert_data", c.SSLRootCertData != ""),
	)
}

// checkPort accepts what libpq does: one port, or one for each host, where an
// empty one is the default.
func (c *Connection) checkPort() error {
	if c.Port == "" {
		return nil
	}
	for _, port := range strings.Split(c.Port, ",") {
		if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
			return invalidValue(Field{Name: "port"}, c.Port, "a whole number from 1 to 65535")
		}
	}
	return nil
}

func checkPEM(option, text, blockType string) error {
	if text == "" {
		return nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || !strings.HasSuffix(block.Type, blockType) {
		return fmt.Errorf("option %q: value not accepted: use PEM text with a %s block", option, blockType)
	}
	if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return fmt.Errorf("option %q: the key is encrypted: use one without a passphrase", option)
	}
	return nil
}

// exclusive refuses two options that were both given.
func exclusive(a string, aGiven bool, b string, bGiven bool) error {
	if aGiven && bGiven {
		return fmt.Errorf("options %q and %q exclude each other: use one of them", a, b)
	}
	return nil
}

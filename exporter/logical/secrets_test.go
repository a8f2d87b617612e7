package logical

import (
	"context"
	"errors"
	"io/fs"
	"testing"
)

// PEM files are not where dumps wait, which the next run may have elsewhere.
func TestSecretsAreNotSpooled(t *testing.T) {
	target, err := New("postgres", map[string]string{
		"location": "postgres://u@127.0.0.1:1/", "spool_dir": t.TempDir() + "/nowhere", "ssl_mode": "verify-ca",
		"ssl_root_cert_data": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Ping(context.Background()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v: want an error from connecting", err)
	}
	if err := target.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certs are the PEM files that belong to a server with TLS.
type Certs struct {
	CA      string // the certificate that the server's one is signed by
	WrongCA string // a certificate of another authority

	dir        string
	serverCert string
	serverKey  string
	authority  *authority
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCerts(tb testing.TB, dir string, hosts []string) *Certs {
	tb.Helper()
	must(tb, os.MkdirAll(dir, 0o755)) //nolint:gosec // for tests only
	c := &Certs{dir: dir}
	c.authority, c.CA = c.newAuthority(tb, "ca")
	_, c.WrongCA = c.newAuthority(tb, "wrong-ca")
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	c.serverCert, c.serverKey = c.sign(tb, "server", leaf)
	return c
}

// Client makes a certificate for a role and returns its file and that of its
// key; with an HBA line "hostssl all <role> all cert" it replaces a password.
func (c *Certs) Client(tb testing.TB, role string) (cert, key string) {
	tb.Helper()
	return c.sign(tb, "client-"+role, &x509.Certificate{
		Subject:     pkix.Name{CommonName: role},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// install copies the server's part into the data directory and returns the
// configuration for it.
func (c *Certs) install(tb testing.TB, dataDir string) []string {
	tb.Helper()
	for name, from := range map[string]string{"server.crt": c.serverCert, "server.key": c.serverKey, "root.crt": c.CA} {
		to := filepath.Join(dataDir, name)
		must(tb, copyFile(from, to))
		must(tb, giveAway(to))
	}
	return []string{
		"ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", "ssl_ca_file = 'root.crt'",
	}
}

func (c *Certs) newAuthority(tb testing.TB, name string) (*authority, string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	cert := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "harness " + name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	complete(tb, cert)
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	must(tb, err)
	return &authority{cert, key}, c.write(tb, name+".crt", "CERTIFICATE", der)
}

func (c *Certs) sign(tb testing.TB, name string, leaf *x509.Certificate) (certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	complete(tb, leaf)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, leaf, c.authority.cert, &key.PublicKey, c.authority.key)
	must(tb, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(tb, err)
	return c.write(tb, name+".crt", "CERTIFICATE", der), c.write(tb, name+".key", "PRIVATE KEY", keyDER)
}

// complete sets what every certificate needs.
func complete(tb testing.TB, cert *x509.Certificate) {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(tb, err)
	cert.SerialNumber = serial
	cert.NotBefore = time.Now().Add(-time.Hour)
	cert.NotAfter = time.Now().Add(24 * time.Hour)
}

func (c *Certs) write(tb testing.TB, name, kind string, der []byte) string {
	tb.Helper()
	file := filepath.Join(c.dir, name)
	must(tb, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}

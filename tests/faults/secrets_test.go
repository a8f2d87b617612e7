//go:build linux

package faults

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// passphrase is the password of the role that the ways to connect below use, with
// nothing in it that any of them would have to quote.
const passphrase = "recognisable-0123456789"

// way is how a secret is handed over.
type way struct {
	name    string
	user    string // "saver" unless given
	auth    string // behind the user's name in the URI
	query   string
	options []string
	env     []string
	pgpass  bool
	secrets []string // more than the passphrase
}

func ways(t *testing.T, server *harness.Server) []way {
	t.Helper()
	cert, key := server.Certs.Client(t, "certified")
	return []way{
		{name: "option", options: []string{"password=" + passphrase}},
		{name: "URI", auth: ":" + passphrase},
		{name: "query", query: "&password=" + passphrase},
		{name: "variable", env: []string{"PGPASSWORD=" + passphrase}},
		{name: "pgpass", pgpass: true},
		{
			name: "inline key", user: "certified",
			options: []string{"ssl_cert_data=" + text(t, cert), "ssl_key_data=" + text(t, key), "ssl_root_cert_data=" + text(t, server.Certs.CA)},
			secrets: body(text(t, key)),
		},
	}
}

// body returns the lines between those that a PEM text begins and ends with.
func body(pem string) []string {
	lines := strings.Split(strings.TrimSpace(pem), "\n")
	return lines[1 : len(lines)-1]
}

func text(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// configure makes the source and the destination.
func (s *scene) configure(w way) {
	s.Helper()
	user := w.user
	if user == "" {
		user = "saver"
	}
	s.copyOrigin()
	location := fmt.Sprintf("postgres://%s%s@localhost:%d/%s?application_name=plakar%s", user, w.auth, s.server.Port, s.db, w.query)
	s.plakar.SourceAdd("mypg", location, s.with(w.options)...)
	s.plakar.DestinationAdd("dst", location, append(s.with(w.options), "databases=origin", "data_only=true", "jobs=2")...)
	s.plakar.Env = append(s.plakar.Env, w.env...)
	if w.pgpass {
		must(s, os.WriteFile(filepath.Join(s.plakar.Home, ".pgpass"), []byte("*:*:*:saver:"+passphrase+"\n"), 0o600))
	}
}

// nowhere checks that no command line, and no file with a name in the folder for
// temporary files, holds a secret.
func (s *scene) nowhere(secrets []string) {
	s.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	err := filepath.WalkDir(s.plakar.Temp, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return nil // plakar removes files of its own meanwhile
	})
	must(s, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		// Other tests configure plakar meanwhile: there the user writes the secret.
		if err == nil && !strings.Contains(string(content), "\x00add\x00") {
			s.without(file+": "+string(content[:min(100, len(content))]), string(content), secrets)
		}
	}
}

// without checks that a text has none of the secrets.
func (s *scene) without(where, text string, secrets []string) {
	s.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.Errorf("%q has a secret", where)
		}
	}
}

// TestSecrets looks for secrets where nobody may find them: while a backup and a
// restore run, in what a success, a failure and a killed run say and leave, and in
// the snapshot.
func TestSecrets(t *testing.T) {
	t.Parallel()
	st := newStage(t, harness.TLS("localhost"), harness.HBA("hostssl all certified all cert"))
	st.server.Exec(t, "postgres", "CREATE ROLE certified LOGIN SUPERUSER; CREATE ROLE saver LOGIN SUPERUSER PASSWORD "+harness.Literal(passphrase))
	for _, w := range ways(t, st.server) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := st.scene(t, fault{})
			s.configure(w)
			secrets := append(w.secrets, passphrase)

			s.reveal(func() []string { return secrets })
		})
	}
}

// reveal looks for secrets while a backup and a restore run, and in what they leave.
func (s *scene) reveal(secrets func() []string) {
	s.Helper()
	release := s.halt()
	run := s.backup()
	s.blocked()
	s.nowhere(secrets())
	release()
	result := s.end(run)
	if result.ExitCode != 0 {
		s.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	s.without("a backup's output", result.Output(), secrets())
	snapshot := s.plakar.Snapshots()[0]
	for _, path := range s.plakar.Ls(snapshot) {
		s.without(path, string(s.plakar.Cat(snapshot, path)), secrets())
	}

	s.snapshot = snapshot
	_, release = s.lock("t")
	run = s.plakar.Start("restore", "-to", "@dst", "-o", "databases="+s.db, snapshot)
	pid := s.blocked()
	s.nowhere(secrets())
	s.server.Exec(s, "postgres", "SELECT pg_terminate_backend("+pid+")")
	result = s.end(run)
	release()
	if result.ExitCode != 1 {
		s.Errorf("exit status %d", result.ExitCode)
	}
	s.without("a restore's failure", result.Output(), secrets())
	s.nothingLeft(false)

	release = s.halt()
	run = s.backup()
	s.blocked()
	run.Kill()
	s.without("a killed backup's output", run.Wait().Output(), secrets())
	s.nothingLeft(true)
	release()
}

// TestSecretsInMistakes: what is wrong is named, but not repeated, when it may be a
// secret.
func TestSecretsInMistakes(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN PRIVATE KEY-----\n" + "cmVjb2duaXNhYmxl\n" + "-----END PRIVATE KEY-----\n"
	secrets := []string{passphrase, "cmVjb2duaXNhYmxl"}
	p := harness.NewPlakar(t)
	s := &scene{T: t, plakar: p}
	closed := fmt.Sprintf("postgres://u:%s@127.0.0.1:%d/", passphrase, harness.FreePort(t))
	for i, c := range []struct {
		location string
		options  []string
	}{
		{closed, nil},
		{closed + "?sslmode=nosuch", nil},
		{closed + "?connect_timeout=" + "x", nil},
		{"postgres://u:" + passphrase + "@[::1/", nil},
		{"postgres://u:" + passphrase + "%zz@h/", nil},
		{"postgres://u:" + passphrase + "/@h:port/", nil},
		{"postgres://h/?password=" + passphrase + "&password=" + passphrase + "&x", nil},
		{"postgres://h/?sslpassword=" + passphrase, nil},
		{"postgres://h/?passwort=" + passphrase, nil},
		{"postgres://h/", []string{"password=" + passphrase + "\x01", "jobs=x"}},
		{"postgres://127.0.0.1:1/", []string{"ssl_key_data=" + key}},
		{"postgres://127.0.0.1:1/", []string{"ssl_key_data=" + key, "ssl_cert_data=" + key}},
		{"postgres://127.0.0.1:1/", []string{"ssl_key_data=" + passphrase}},
		{"postgres://127.0.0.1:1/", []string{"ssl_root_cert_data=" + passphrase, "ssl_key=" + passphrase}},
	} {
		name := fmt.Sprintf("s%d", i)
		p.SourceAdd(name, c.location, c.options...)
		p.DestinationAdd(name, c.location, c.options...)
		for _, args := range [][]string{{"backup", "@" + name}, {"source", "ping", name}, {"destination", "ping", name}} {
			result := p.Run(args...)
			if result.ExitCode == 0 {
				t.Errorf("%s %q: plakar %s succeeds", c.location, c.options, args[0])
			}
			s.without(fmt.Sprintf("%s %q: %s", c.location, c.options, result.Output()), result.Output(), secrets)
		}
	}
}

//go:build linux

package faults

import (
	"fmt"
	"io/fs"
	"net/url"
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
	service bool
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
		{name: "service", query: "&service=prod", service: true},
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

// location is the URI of a server, with what the way puts into it.
func (s *scene) location(w way, protocol, database string) string {
	user := w.user
	if user == "" {
		user = "saver"
	}
	return fmt.Sprintf("%s://%s%s@localhost:%d/%s?application_name=%s%s", protocol, user, w.auth, s.server.Port, database, url.PathEscape(s.session()), w.query)
}

// hand puts the secret where the way has it.
func (s *scene) hand(w way) {
	s.Helper()
	s.plakar.Env = append(s.plakar.Env, w.env...)
	if w.pgpass {
		must(s, os.WriteFile(filepath.Join(s.plakar.Home, ".pgpass"), []byte("*:*:*:saver:"+passphrase+"\n"), 0o600))
	}
	if w.service {
		file := filepath.Join(s.plakar.Home, "services")
		must(s, os.WriteFile(file, []byte("[prod]\npassword="+passphrase+"\n"), 0o600))
		s.plakar.Env = append(s.plakar.Env, "PGSERVICEFILE="+file)
	}
}

// configure makes the source and the destination.
func (s *scene) configure(w way) {
	s.Helper()
	s.copyOrigin()
	s.hand(w)
	location := s.location(w, "postgres", s.db)
	s.plakar.SourceAdd("mypg", location, s.with(w.options)...)
	s.plakar.DestinationAdd("dst", location, append(s.with(w.options), "databases=origin", "jobs=2")...)
}

// nowhere checks that no command line, and no file with a name in the directory for
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

// secured is a stage whose ways to connect have recognisable secrets, and all those.
func secured(t *testing.T) (st *stage, all []way, secrets []string) {
	t.Helper()
	// All ways at the same time take more than the default of 10.
	st = newStage(t, harness.TLS("localhost"), harness.Conf("max_wal_senders = 60", "max_replication_slots = 60"), harness.HBA("hostssl all,replication certified all cert"))
	st.server.Exec(t, "postgres", "CREATE ROLE certified LOGIN SUPERUSER; CREATE ROLE saver LOGIN SUPERUSER PASSWORD "+harness.Literal(passphrase))
	all = ways(t, st.server)
	secrets = []string{passphrase}
	for _, w := range all {
		secrets = append(secrets, w.secrets...)
	}
	return st, all, secrets
}

// TestSecrets looks for secrets where nobody may find them: while a backup and a
// restore run, in what a success, a failure and a killed run say and leave, and in
// the snapshot.
func TestSecrets(t *testing.T) {
	t.Parallel()
	harness.HighestMajorOnly(t, "the ways to connect are the package's and the tools'")
	st, all, secrets := secured(t)
	known := func() []string { return secrets }
	watching := watchFor(t, known, "pg_dump", "pg_dumpall", "pg_restore")
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := st.scene(t, fault{})
			watching.follow(s.plakar.Home)
			s.configure(w)
			s.reveal(known)
		})
	}
}

// TestPhysicalSecrets is TestSecrets for postgres+bin.
func TestPhysicalSecrets(t *testing.T) {
	t.Parallel()
	harness.HighestMajorOnly(t, "the ways to connect are the package's and the tools'")
	for _, own := range []bool{false, true} {
		t.Run(map[bool]string{false: "pg_basebackup", true: "BASE_BACKUP"}[own], func(t *testing.T) {
			t.Parallel()
			st, all, secrets := secured(t)
			tools, method := []string{"pg_basebackup"}, "method=pg_basebackup"
			if own {
				tools, method = nil, "method=protocol"
				st.server.Exec(t, "postgres", "CREATE TABLESPACE elsewhere LOCATION "+harness.Literal(st.server.Dir(t, "elsewhere")))
			}
			watching := watchFor(t, func() []string { return secrets }, tools...)
			for _, w := range all {
				t.Run(w.name, func(t *testing.T) {
					t.Parallel()
					s := st.scene(t, fault{})
					watching.follow(s.plakar.Home)
					s.hand(w)
					s.plakar.SourceAdd("mypg", s.location(w, "postgres+bin", ""), append(s.with(w.options), method)...)
					s.revealPhysical(secrets)
				})
			}
		})
	}
}

// revealPhysical looks for secrets in what a backup, and one that fails, say and leave.
func (s *scene) revealPhysical(secrets []string) {
	s.Helper()
	result := s.end(s.backup())
	if result.ExitCode != 0 {
		s.Fatalf("exit status %d\n%s", result.ExitCode, result.Output())
	}
	s.without("a backup's output", result.Output(), secrets)
	s.without("manifest.json", string(s.plakar.Cat(s.plakar.Snapshots()[0], "/manifest.json")), secrets)
	s.nowhere(secrets)
	broken := s.plakar.Run("backup", "-o", "pg_bin_dir=/nonexistent", "-o", "spool_dir=/nonexistent", "@mypg")
	if broken.ExitCode != 1 {
		s.Errorf("exit status %d", broken.ExitCode)
	}
	s.without("a failure's output", broken.Output(), secrets)
	s.nothingHere(false)
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
	s.nothingLeft(fault{})

	release = s.halt()
	run = s.backup()
	s.blocked()
	run.Kill()
	s.without("a killed backup's output", run.Wait().Output(), secrets())
	s.nothingLeft(fault{exit: killed})
	release()
}

// TestSecretsInMistakes: what is wrong is named, but not repeated, when it may be a
// secret.
func TestSecretsInMistakes(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "nothing connects to a server")
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
		{"postgres://u:pa@" + passphrase + "@h/", nil},
		{"postgres://u:12/" + passphrase + "@h/", nil},
		{"postgres://u:pa@" + passphrase + "/x@h/db", nil},
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

package conninfo

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// TestParseURI follows the examples of
// https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS
// and of libpq's own regression test (src/interfaces/libpq/t/001_uri.pl).
func TestParseURI(t *testing.T) {
	for uri, want := range map[string]map[string]string{
		"postgresql://": {},
		"postgresql://uri-user:secret@host:12345/db":              {"user": "uri-user", "password": "secret", "host": "host", "port": "12345", "dbname": "db"},
		"postgresql://uri-user@":                                  {"user": "uri-user"},
		"postgresql://:secret@host/":                              {"password": "secret", "host": "host"},
		"postgresql://host:12345/":                                {"host": "host", "port": "12345"},
		"postgresql://%68ost/":                                    {"host": "host"},
		"postgresql:///db":                                        {"dbname": "db"},
		"postgresql:///?user=u&port=1&host=h":                     {"user": "u", "port": "1", "host": "h"},
		"postgresql://h?user=uri-user":                            {"host": "h", "user": "uri-user"},
		"postgresql://[::1]:12345/db":                             {"host": "::1", "port": "12345", "dbname": "db"},
		"postgresql://[2001:db8::1234]/":                          {"host": "2001:db8::1234"},
		"postgresql://%2Fvar%2Flib%2Fpostgresql/dbname":           {"host": "/var/lib/postgresql", "dbname": "dbname"},
		"postgresql:///dbname?host=/var/lib/postgresql":           {"host": "/var/lib/postgresql", "dbname": "dbname"},
		"postgres://h1:123,h2:456/db?target_session_attrs=any":    {"host": "h1,h2", "port": "123,456", "dbname": "db", "target_session_attrs": "any"},
		"postgres://h1,[::1]:456/":                                {"host": "h1,::1", "port": ",456"},
		"postgres://h/?ssl=true":                                  {"host": "h", "sslmode": "require"},
		"postgres://h/?sslmode=verify-full&sslrootcert=%2Fca.pem": {"host": "h", "sslmode": "verify-full", "sslrootcert": "/ca.pem"},
		"postgres://u:p%40ss%2F%3A%25@h/":                         {"user": "u", "password": "p@ss/:%", "host": "h"},
		"postgres://u:a?b@h/":                                     {"user": "u", "password": "a?b", "host": "h"},
		"postgres://h/a%2Fb?options=-c%20geqo%3Doff":              {"host": "h", "dbname": "a/b", "options": "-c geqo=off"},
		"postgres+bin://h/":                                       {"host": "h"},
		"postgres://u:p@h/a@b":                                    {"user": "u", "password": "p", "host": "h", "dbname": "a@b"},
		"postgres://u:p@h/a%2Fb@c%2Fd":                            {"user": "u", "password": "p", "host": "h", "dbname": "a/b@c/d"},
		"postgres://u@h/a@b/c":                                    {"user": "u", "host": "h", "dbname": "a@b/c"},
		"postgres://h/a@b":                                        {"host": "h", "dbname": "a@b"},
		"postgres://u@@abstract/db":                               {"user": "u", "host": "@abstract", "dbname": "db"},
		"postgres://u:p@%40abstract/db":                           {"user": "u", "password": "p", "host": "@abstract", "dbname": "db"},
		"postgres://h:5432/?host=@abstract&user=a@b&password=a@b": {"host": "@abstract", "port": "5432", "user": "a@b", "password": "a@b"},
		"postgres://u:p@%2Frun%2Fa%40b/db":                        {"user": "u", "password": "p", "host": "/run/a@b", "dbname": "db"},
	} {
		got, err := parseURI(uri)
		if err != nil {
			t.Errorf("parseURI(%q): %v", uri, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parseURI(%q): -want +got\n%s", uri, diff)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for uri, want := range map[string]string{
		"host=localhost":                   "use a URI",
		"postgres://h/?nosuch=1":           `"nosuch"`,
		"postgres://h/?sslpassword=secret": `"sslpassword" is not supported`,
		"postgres://h/?sslmode":            "name=value",
		"postgres://h/?sslmode=a=b":        "name=value",
		"postgres://u:secret%@h/":          `"%"`,
		"postgres://u:secret%zz@h/":        `"%"`,
		"postgres://u:sec/ret@h/":          "%2F",
		"postgres://u:1secret/x":           "port that is not a number",
		"postgres://u:pa@secret@h/":        "%40",
		"postgres://u:pa@@secret/":         "%40",
		"postgres://u:pa@h,secret@h/":      "%40",
		"postgres://u:12/secret@h/":        "%2F",
		"postgres://u:12/secret@h":         "%2F",
		"postgres://u:pa@secret/x@h/db":    "%2F",
		"postgres://u:12?x.secret=/a@h/":   "PostgreSQL does not know",
		"postgres://h/?1secret=x":          "has a parameter, which PostgreSQL does not know",
		"postgres://[::1/":                 `"]"`,
		"postgres://[::1]5432/":            "IPv6",
		"postgres://h:x/":                  "port that is not a number",
		"postgres://h/%00":                 "NUL",
	} {
		_, err := parseURI(uri)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseURI(%q) = %v, want an error with %q", uri, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("parseURI(%q) repeats the password: %v", uri, err)
		}
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("postgres://u:p@[::1]:5432,h/db?sslmode=require&host=/run")
	f.Add("postgres://%2Frun:x/%00?a=b=c&&")
	f.Add("postgres://u:pa@ss@h/")
	f.Add("postgres://u:12/abc@h/")
	f.Add("postgres://u:pa@ss/abc@h/db")
	f.Fuzz(func(t *testing.T, uri string) {
		p, err := parseURI(uri)
		for name, value := range p {
			if _, known := params[name]; err == nil && (!known || value == "" || strings.ContainsRune(value, 0)) {
				t.Errorf("parseURI(%q) gives %q=%q", uri, name, value)
			}
		}
		info, err := Parse(options.Connection{Location: uri}, nil)
		if err != nil {
			return
		}
		if _, err := info.Config(context.Background()); err != nil {
			t.Errorf("Parse accepts %q, Config does not: %v", uri, err)
		}
	})
}

func parse(t *testing.T, o options.Connection, environ ...string) Info {
	t.Helper()
	if o.Location == "" {
		o.Location = "postgres://"
	}
	info, err := Parse(o, environ)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func env(t *testing.T, info Info) []string {
	t.Helper()
	env, err := info.Env(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// TestToolsMatchPatterns: pg_dump's patterns without a schema are of what the role's own
// search_path finds.
func TestToolsMatchPatterns(t *testing.T) {
	info := parse(t, options.Connection{})
	const pin = "search_path="
	if strings.Contains(strings.Join(env(t, info), " "), pin) {
		t.Error("the tools are given a search_path")
	}
	if !strings.Contains(info.startOptions(), pin) {
		t.Error("our sessions are given no search_path")
	}
}

func TestDefaults(t *testing.T) {
	info := parse(t, options.Connection{}, "HOME=/nowhere", "LANG=C")
	if diff := cmp.Diff([]string{
		"HOME=/nowhere", "LANG=C", "PGAPPNAME=plakar", "PGCONNECT_TIMEOUT=30", "PGHOST=localhost", "PGOPTIONS=" + info.AsTool().startOptions(), "PGPORT=5432", "PGSSLMODE=prefer",
	}, env(t, info)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if info.Database() != "" || info.Origin() != "localhost:5432" {
		t.Errorf("database %q at %s", info.Database(), info.Origin())
	}
}

// TestPrecedence: options over URI over service over environment.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(file, []byte("[prod]\nhost=service-host\nport=1111\nuser=service-user\ndbname=service-db\nkeepalives_idle=7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"PGSERVICEFILE=" + file, "PGHOST=env-host", "PGUSER=env-user", "PGPASSWORD=env-password", "PGDATABASE=env-db", "PGSSLMODE=require",
	}
	o := options.Connection{Location: "postgres://uri-user@/?service=prod&application_name=uri", Port: "2222"}
	info := parse(t, o, environ...)
	got := env(t, info)
	for _, want := range []string{
		"PGHOST=service-host", "PGPORT=2222", "PGUSER=uri-user", "PGPASSWORD=env-password", "PGSSLMODE=require", "PGAPPNAME=uri",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "PGSERVICE") }) {
		t.Errorf("the service would be merged twice: %v", got)
	}
	if info.Database() != "service-db" {
		t.Errorf("the URI's service selects %q", info.Database())
	}
	if want := "dbname='service-db' keepalives_count='6' keepalives_idle='7' keepalives_interval='10'"; info.ConnString() != want {
		t.Errorf("ConnString() = %s, want %s", info.ConnString(), want)
	}
	if other := parse(t, options.Connection{}, append(environ, "PGSERVICE=prod")...); other.Database() != "" {
		t.Errorf("PGSERVICE in the environment selects database %q", other.Database())
	}
	if _, err := Parse(options.Connection{Location: "postgres://?service=nosuch"}, environ); err == nil || !strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("unknown service: %v", err)
	}
}

func TestConnStringQuotes(t *testing.T) {
	info := parse(t, options.Connection{}).WithDatabase(`it's \ dbname=x host=evil`)
	if want := `dbname='it\'s \\ dbname=x host=evil' keepalives_`; !strings.HasPrefix(info.ConnString(), want) {
		t.Errorf("ConnString() = %s, want %s...", info.ConnString(), want)
	}
	cfg, err := info.Config(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Database != `it's \ dbname=x host=evil` || cfg.Host != "localhost" {
		t.Errorf("pgx reads database %q at %q", cfg.Database, cfg.Host)
	}
}

func TestPasswordFunc(t *testing.T) {
	asked := 0
	info := parse(t, options.Connection{Location: "postgres://u@h:6432/"}, "PGPASSWORD=other").
		WithPassword(func(_ context.Context, host string, port int, user string) (string, error) {
			asked++
			if host != "h" || port != 6432 || user != "u" {
				t.Errorf("asked for %s@%s:%d", user, host, port)
			}
			return "fresh", nil
		}, "")
	if !slices.Contains(env(t, info), "PGPASSWORD=fresh") {
		t.Error("the tools do not get the provider's password")
	}
	cfg, err := info.Config(context.Background())
	if err != nil || cfg.Password != "fresh" || asked != 2 {
		t.Errorf("Config: %v, asked %d times", err, asked)
	}
}

// A password that cannot be had is not asked for again for the other hosts.
func TestNoPassword(t *testing.T) {
	asked := 0
	reason := errors.New("no credentials")
	info := parse(t, options.Connection{Location: "postgres://u@h1,h2/"}).
		WithPassword(func(context.Context, string, int, string) (string, error) {
			asked++
			return "", reason
		}, "")
	if _, _, err := info.Dial(context.Background(), "postgres", "template1"); !errors.Is(err, reason) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestHosts(t *testing.T) {
	info := parse(t, options.Connection{Location: "postgres://a:1,b,[::1]:3/"})
	var origins []string
	for _, one := range info.hosts() {
		origins = append(origins, one.Origin())
	}
	if diff := cmp.Diff([]string{"a:1", "b:5432", "[::1]:3"}, origins); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if info := parse(t, options.Connection{Location: "postgres:///?hostaddr=192.0.2.1,192.0.2.2"}); info.Origin() != "192.0.2.1:5432" || len(info.hosts()) != 2 {
		t.Errorf("hostaddr alone: %s of %d hosts", info.Origin(), len(info.hosts()))
	}
	if _, err := Parse(options.Connection{Location: "postgres://a,b,c/", Port: "1,2"}, nil); err == nil {
		t.Error("two ports for three hosts are accepted")
	}
}

func TestInlinePEM(t *testing.T) {
	const pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
	info := parse(t, options.Connection{SSLRootCertData: pem, SSLMode: "verify-ca"}, "PGSSLROOTCERT=/other")
	files := tempfile.New(t.TempDir())
	info, err := info.WithFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	path := info.keywords["sslrootcert"]
	content, err := os.ReadFile(path)
	if err != nil || string(content) != pem {
		t.Errorf("%s holds %q, %v", path, content, err)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", stat.Mode(), err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there after Close")
	}
}

func TestPinnedAddress(t *testing.T) {
	address := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 5432}
	if got := env(t, parse(t, options.Connection{Location: "postgres://db.example.com/"}).pin(address)); !slices.Contains(got, "PGHOSTADDR=192.0.2.7") || !slices.Contains(got, "PGHOST=db.example.com") {
		t.Errorf("a name is not pinned: %v", got)
	}
	if got := env(t, parse(t, options.Connection{Location: "postgres://%2Frun/"}).pin(&net.UnixAddr{Name: "/run/x"})); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "PGHOSTADDR=") }) {
		t.Errorf("a socket is pinned: %v", got)
	}
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTLS backs up from and restores to servers with certificates of ours: it has
// to work for pgx and for the tools, and to fail for both.
func TestTLS(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	harness.AlsoInContainers(t)
	src := harness.Start(t, harness.TLS("localhost"), harness.HBA("hostssl all certified all cert", "hostnossl all all all reject"))
	src.Exec(t, "postgres", "CREATE ROLE certified LOGIN SUPERUSER")
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", "CREATE TABLE t (x int)")
	cert, key := src.Certs.Client(t, "certified")
	host := fmt.Sprintf("postgres://localhost:%d/shop", src.Port)
	address := fmt.Sprintf("postgres://127.0.0.1:%d/shop", src.Port)
	password := []string{"username=postgres", "password=" + src.Password}
	p := harness.NewPlakar(t)

	for name, c := range map[string]struct {
		location string
		options  []string
		refused  string
	}{
		"verify-full":                {host, append(password, "ssl_mode=verify-full", "ssl_root_cert="+src.Certs.CA), ""},
		"verify-full, inline":        {host, append(password, "ssl_mode=verify-full", "ssl_root_cert_data="+read(t, src.Certs.CA)), ""},
		"verify-full in the URI":     {host + "?sslmode=verify-full&sslrootcert=" + src.Certs.CA, password, ""},
		"require":                    {host + "?sslmode=require", password, ""},
		"wrong authority":            {host, append(password, "ssl_mode=verify-full", "ssl_root_cert="+src.Certs.WrongCA), "certificate"},
		"wrong authority, inline":    {host, append(password, "ssl_mode=verify-full", "ssl_root_cert_data="+read(t, src.Certs.WrongCA)), "certificate"},
		"another name":               {address, append(password, "ssl_mode=verify-full", "ssl_root_cert="+src.Certs.CA), "certificate"},
		"verify-ca":                  {address, append(password, "ssl_mode=verify-ca", "ssl_root_cert="+src.Certs.CA), ""},
		"the option wins":            {host + "?sslmode=disable", append(password, "ssl_mode=require"), ""},
		"no TLS":                     {host, append(password, "ssl_mode=disable"), "pg_hba.conf"},
		"client certificate":         {host, []string{"username=certified", "ssl_mode=verify-full", "ssl_root_cert=" + src.Certs.CA, "ssl_cert=" + cert, "ssl_key=" + key}, ""},
		"client certificate, inline": {host, []string{"username=certified", "ssl_mode=require", "ssl_cert_data=" + read(t, cert), "ssl_key_data=" + read(t, key)}, ""},
		"no client certificate":      {host, []string{"username=certified", "ssl_mode=require"}, "certificate"},
	} {
		source := strings.NewReplacer(" ", "-", ",", "").Replace(name)
		p.SourceAdd(source, c.location, append(c.options, src.BinDirOption())...)
		p.DestinationAdd(source, c.location, append(c.options, src.BinDirOption(), "recreate=true")...)
		snapshot, result := p.Backup("@" + source)
		if c.refused != "" {
			failed(t, result, c.refused)
			failed(t, p.Run("destination", "ping", source), c.refused)
			continue
		}
		if result.ExitCode != 0 {
			t.Errorf("%s: exit status %d\n%s", name, result.ExitCode, result.Output())
			continue
		}
		if result := p.Restore("@"+source, snapshot); result.ExitCode != 0 {
			t.Errorf("%s: restore: exit status %d\n%s", name, result.ExitCode, result.Output())
		}
	}
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}

// TestWaysToConnect uses what libpq's users are used to.
func TestWaysToConnect(t *testing.T) {
	t.Parallel()
	harness.OwnToolsOnly(t, "the run of the newest version has these tools")
	harness.AlsoInContainers(t)
	src := harness.Start(t, harness.Conf("listen_addresses = '127.0.0.1,::1'"))
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	port := fmt.Sprint(src.Port)
	// Not DefaultPassword: it has characters that .pgpass wants escaped.
	src.Exec(t, "postgres", "CREATE ROLE saver SUPERUSER LOGIN PASSWORD 'saver-password'")
	socket := strings.ReplaceAll(src.SocketDir, "/", "%2F")

	for name, c := range map[string]struct {
		location string
		options  []string
		env      []string
		files    map[string]string // below the home
	}{
		"options only":     {"postgres://", []string{"host=127.0.0.1", "port=" + port, "username=saver", "password=saver-password", "database=shop"}, nil, nil},
		"options over URI": {"postgres://nobody:x@nowhere.invalid:1/nosuch", []string{"host=127.0.0.1", "port=" + port, "username=saver", "password=saver-password", "database=shop"}, nil, nil},
		"query":            {"postgres:///?host=127.0.0.1&port=" + port + "&user=saver&password=saver-password&dbname=shop", nil, nil, nil},
		"socket":           {"postgres://saver@" + socket + ":" + port + "/shop", nil, nil, nil},
		"socket in query":  {"postgres://saver@/shop?host=" + src.SocketDir + "&port=" + port, nil, nil, nil},
		"socket as option": {"postgres://saver@/shop", []string{"host=" + src.SocketDir, "port=" + port}, nil, nil},
		"IPv6":             {"postgres://saver:saver-password@[::1]:" + port + "/shop", nil, nil, nil},
		"several hosts":    {"postgres://saver:saver-password@127.0.0.1:1,127.0.0.1:" + port + "/shop?target_session_attrs=read-write", nil, nil, nil},
		"pgpass":           {"postgres://saver@127.0.0.1:" + port + "/shop", nil, nil, map[string]string{".pgpass": "*:" + port + ":*:saver:saver-password\n"}},
		"PG variables":     {"postgres:///shop", nil, []string{"PGHOST=127.0.0.1", "PGPORT=" + port, "PGUSER=saver", "PGPASSWORD=saver-password"}, nil},
		"PGSERVICE": {"postgres:///shop", nil, []string{"PGSERVICE=here"}, map[string]string{
			".pg_service.conf": "[here]\nhost=127.0.0.1\nport=" + port + "\nuser=saver\npassword=saver-password\n"}},
		"service in the URI": {"postgres:///?service=here", nil, []string{"PGSERVICE=nosuch", "PGDATABASE=nosuch"}, map[string]string{
			".pg_service.conf": "[here]\nhost=127.0.0.1\nport=" + port + "\nuser=saver\npassword=saver-password\ndbname=shop\nkeepalives_idle=60\n"}},
		"percent-encoding": {"postgres://s%61ver:saver%2Dpassword@127.0.0.1:" + port + "/sh%6Fp", nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share the database
			p := harness.NewPlakar(t)
			p.Env = c.env
			for file, text := range c.files {
				write(t, filepath.Join(p.Home, file), text)
			}
			p.SourceAdd("mypg", c.location, append(c.options, src.BinDirOption())...)
			p.DestinationAdd("dst", c.location, append(c.options, src.BinDirOption(), "recreate=true")...)
			p.MustRun("source", "ping", "mypg")
			p.MustRun("destination", "ping", "dst")
			snapshot := p.MustBackup("@mypg")
			if paths := strings.Join(p.Ls(snapshot), " "); paths != "/00000-cluster.json /00000-globals.sql /00001-shop.dump /manifest.json" {
				t.Errorf("the snapshot holds %s", paths)
			}
			p.MustRestore("@dst", snapshot)
		})
	}
}

// A variable that happens to be set does not make a cluster's backup partial.
func TestStrayDatabaseVariable(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the environment is no matter of the server")
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	p := harness.NewPlakar(t)
	p.Env = []string{"PGDATABASE=shop", "PGSERVICEFILE=/nonexistent"}
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	if paths := p.Ls(p.MustBackup("@mypg")); len(paths) != 6 {
		t.Errorf("the snapshot holds %q", paths)
	}
}

// Both sides' ping connect and look for the tools.
func TestPing(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "it connects and looks for the tools, no more")
	src := harness.Start(t)
	p := harness.NewPlakar(t)
	p.SourceAdd("good", src.URL(""), src.BinDirOption())
	p.DestinationAdd("good", src.URL(""), src.BinDirOption())
	p.SourceAdd("bad", src.URLFor("postgres", "wrong", ""), src.BinDirOption())
	p.DestinationAdd("bad", src.URLFor("postgres", "wrong", ""), src.BinDirOption())
	p.SourceAdd("toolless", src.URL(""), "pg_bin_dir="+t.TempDir())
	p.DestinationAdd("toolless", src.URL(""), "pg_bin_dir="+t.TempDir())
	for _, side := range []string{"source", "destination"} {
		p.MustRun(side, "ping", "good")
		failed(t, p.Run(side, "ping", "bad"), "password authentication failed")
		failed(t, p.Run(side, "ping", "toolless"), `"pg_bin_dir"`)
	}
}

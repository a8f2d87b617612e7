package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Superuser is the name of every server's superuser, DefaultPassword its
// password; the characters in it need encoding in a URI, and must never be
// seen in any output.
const (
	Superuser       = "postgres"
	DefaultPassword = "Zq7:p@ss/w?rd%41"
)

// Server is a throw-away PostgreSQL server. It listens on 127.0.0.1 and on a
// Unix socket; the superuser needs the password over TCP only.
type Server struct {
	Host      string // 127.0.0.1
	Port      int
	SocketDir string // directory of the Unix socket
	Major     int
	BinDir    string // programs of this major version
	ToolsDir  string // client programs for the package: see PG_TOOLS
	DataDir   string
	Password  string // of Superuser
	Certs     *Certs // nil without TLS

	args []string // of the server, besides data directory and port
	base string   // everything of this server, removed with it
	proc *process
}

// Start starts a server that is stopped and removed when the test ends. The
// test is skipped (fails in CI) when the version is not installed.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	set := settings{password: DefaultPassword}
	for _, opt := range opts {
		opt(&set)
	}
	if set.major == 0 {
		major, err := DefaultMajor()
		if err != nil {
			tb.Fatal(err)
		}
		if major == 0 {
			Missing(tb, "no PostgreSQL server binaries found; run tests/setup/postgres.sh")
		}
		set.major = major
	}
	s := newServer(tb, set.major, DefaultPassword)
	s.create(tb, set)
	s.Start(tb)
	if set.password != DefaultPassword {
		s.SetPassword(tb, set.password)
	}
	return s
}

// newServer makes the directories of a server.
func newServer(tb testing.TB, major int, password string) *Server {
	tb.Helper()
	begin(tb)
	account(tb)
	s := &Server{
		Host: "127.0.0.1", Major: major, Password: password,
		BinDir: BinDir(tb, major), ToolsDir: ToolsDir(tb, major), base: tempDir(tb),
	}
	s.DataDir = filepath.Join(s.base, "data")
	s.SocketDir = s.Dir(tb, "s")
	tb.Cleanup(func() { s.logOnFailure(tb) })
	return s
}

// create makes the data directory and its configuration.
func (s *Server) create(tb testing.TB, set settings) {
	tb.Helper()
	if set.fresh {
		must(tb, initdb(s.BinDir, s.DataDir, set.initdb))
	} else {
		source, err := template(s.BinDir, set.major, set.initdb)
		must(tb, err)
		must(tb, copyTree(source, s.DataDir))
	}
	conf := []string{
		"listen_addresses = '127.0.0.1'",
		"unix_socket_directories = '" + s.SocketDir + "'",
		"max_connections = 40",
		"shared_buffers = 32MB",
		"fsync = off",
		"synchronous_commit = off",
		"full_page_writes = off",
		"autovacuum = off",
		"wal_level = replica",
		"max_wal_senders = 10",
		"password_encryption = 'scram-sha-256'",
		"log_line_prefix = '%m [%p] %q%u@%d %a '",
		"lc_messages = 'C.UTF-8'",
	}
	hba := set.hba
	if set.tls {
		s.Certs = newCerts(tb, filepath.Join(s.base, "tls"), set.tlsHosts)
		conf = append(conf, s.Certs.install(tb, s.DataDir)...)
	}
	hba = append(hba,
		"local all all trust",
		"local replication all trust",
		"host all all 127.0.0.1/32 scram-sha-256",
		"host all all ::1/128 scram-sha-256",
		"host replication all 127.0.0.1/32 scram-sha-256",
		"host replication all ::1/128 scram-sha-256",
	)
	conf = append(conf, set.conf...)
	s.WriteFile(tb, "postgresql.auto.conf", strings.Join(conf, "\n")+"\n")
	s.WriteFile(tb, "pg_hba.conf", strings.Join(hba, "\n")+"\n")
}

// Start starts a stopped server again, on the same port when it is still free.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	var err error
	for range 5 { // the port may be taken between asking for it and using it
		if s.Port == 0 {
			s.Port = FreePort(tb)
		}
		s.proc, err = startServer(s)
		if err == nil {
			err = s.waitReady()
		}
		if err == nil {
			tb.Cleanup(func() { s.Stop(Immediate) })
			return
		}
		s.Stop(Immediate)
		if !strings.Contains(s.Log(tb), "could not bind") {
			break
		}
		s.Port = 0
	}
	tb.Fatalf("starting PostgreSQL %d: %v\n%s", s.Major, err, s.Log(tb))
}

// Adopt starts a server on a data directory that something else made, such as
// a restored physical backup. The directory is copied first; its
// postgresql.auto.conf is replaced by the harness' settings.
func Adopt(tb testing.TB, dataDir string, opts ...Option) *Server {
	tb.Helper()
	version, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION")) //nolint:gosec // a test's own directory
	must(tb, err)
	set := settings{password: DefaultPassword}
	for _, opt := range opts {
		opt(&set)
	}
	_, err = fmt.Sscan(string(version), &set.major)
	must(tb, err)
	s := newServer(tb, set.major, set.password)
	must(tb, copyTree(dataDir, s.DataDir))
	conf := append([]string{
		"listen_addresses = '127.0.0.1'", "unix_socket_directories = '" + s.SocketDir + "'",
		"fsync = off", "ssl = off", "archive_mode = off",
	}, set.conf...)
	s.WriteFile(tb, "postgresql.auto.conf", strings.Join(conf, "\n")+"\n")
	s.Start(tb)
	return s
}

// Reserve makes the place for a server of a major version whose data directory does not
// exist yet: something else makes it, at DataDir, and Start starts it as it is, but for
// where the server listens.
func Reserve(tb testing.TB, major int) *Server {
	tb.Helper()
	s := newServer(tb, major, DefaultPassword)
	s.args = []string{"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.SocketDir}
	return s
}

// waitReady waits until the server lets clients in, or has exited.
func (s *Server) waitReady() error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := s.ping()
		if err == nil {
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("the server exited: %w", s.proc.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after 60 s: %w", err)
		}
	}
}

// Dir makes a directory that the server's user owns and returns its path: for
// a tablespace, an archive. It goes with the server.
func (s *Server) Dir(tb testing.TB, name string) string {
	tb.Helper()
	dir := filepath.Join(s.base, name)
	must(tb, os.MkdirAll(dir, 0o700))
	must(tb, giveAway(dir))
	return dir
}

// WriteFile writes a file below the data directory, as the server's user.
func (s *Server) WriteFile(tb testing.TB, name, content string) {
	tb.Helper()
	file := filepath.Join(s.DataDir, name)
	must(tb, os.WriteFile(file, []byte(content), 0o600))
	must(tb, giveAway(file))
}

// Log returns what the server has logged since it was made.
func (s *Server) Log(tb testing.TB) string {
	tb.Helper()
	log, err := os.ReadFile(s.logFile())
	must(tb, err)
	return string(log)
}

// Tool returns the path of a program of the server's version.
func (s *Server) Tool(name string) string { return filepath.Join(s.BinDir, name) }

// ClientTool returns the path of a client program that the package uses with this
// server: of the server's version unless PG_TOOLS asks for a newer one.
func (s *Server) ClientTool(name string) string { return filepath.Join(s.ToolsDir, name) }

// BinDirOption is the connector option that makes the package use ToolsDir: the
// programs of the harness are not where packages put them.
func (s *Server) BinDirOption() string { return "pg_bin_dir=" + s.ToolsDir }

func (s *Server) logFile() string { return filepath.Join(s.base, "log") }

func (s *Server) logOnFailure(tb testing.TB) {
	if !tb.Failed() {
		return
	}
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return // it never started
	}
	const most = 4096
	tb.Logf("end of the log of PostgreSQL %d on port %d:\n%s", s.Major, s.Port, log[max(0, len(log)-most):])
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

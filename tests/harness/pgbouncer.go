package harness

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// PgBouncer is a connection pooler before a server. It is stopped when the test ends.
type PgBouncer struct {
	Port     int
	password string
}

// StartPgBouncer starts a pooler before s, in a pool mode: session, transaction or
// statement. lines are added to its configuration. The test is skipped (fails in CI)
// when the program is not installed.
func StartPgBouncer(tb testing.TB, s *Server, mode string, lines ...string) *PgBouncer {
	tb.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !exists(program) {
			Missing(tb, "pgbouncer is not installed: run tests/setup/pgbouncer.sh")
		}
	}
	b := &PgBouncer{Port: FreePort(tb), password: s.Password}
	dir := s.Dir(tb, "pgbouncer")
	users := filepath.Join(dir, "users")
	file := filepath.Join(dir, "pgbouncer.ini")
	config := append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d", s.SocketDir, s.Port),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1", "listen_port = " + strconv.Itoa(b.Port), "unix_socket_dir =",
		"auth_type = plain", "auth_file = " + users,
		"pool_mode = " + mode, "default_pool_size = 20", "max_client_conn = 100",
	}, lines...)
	must(tb, os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", Superuser, s.Password), 0o644)) //nolint:gosec // the server's user reads it
	must(tb, os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o644))             //nolint:gosec // the server's user reads it
	log, err := os.Create(filepath.Join(dir, "log"))                                         //nolint:gosec // ours
	must(tb, err)
	cmd := exec.Command(program, file) //nolint:gosec // a test
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, serverAttr(credential())
	p, err := launch(cmd)
	must(tb, err)
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && tb.Failed() {
			tb.Logf("pgbouncer:\n%s", text)
		}
	})
	b.waitReady(tb, p)
	return b
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (b *PgBouncer) waitReady(tb testing.TB, p *process) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port)))
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-p.done:
			tb.Fatalf("pgbouncer ended: %v", p.err)
		default:
		}
		if time.Now().After(deadline) {
			tb.Fatalf("pgbouncer does not answer: %v", err)
		}
	}
}

// URL is the URI of a database through the pooler, with the superuser's password.
func (b *PgBouncer) URL(db string) string {
	u := url.URL{Scheme: "postgres", Host: "127.0.0.1:" + strconv.Itoa(b.Port), User: url.UserPassword(Superuser, b.password)}
	return u.String() + "/" + url.PathEscape(db)
}

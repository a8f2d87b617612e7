package rds

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// Proxy is the endpoint of a pretended RDS server. Whoever shows a good token is
// let into the real server without a password.
type Proxy struct {
	Host string
	Port int
	CA   string // file with the certificate to verify the endpoint with

	socket      string // of the real server
	certificate tls.Certificate
	listener    net.Listener
	open        sync.WaitGroup

	mu       sync.Mutex
	policy   Policy
	admitted func() // called for every connection that is let in, before it goes on
	log      []Login
	conns    map[net.Conn]bool
}

// Login is an attempt to connect.
type Login struct {
	User, Database string
	Token          string
	Time           time.Time
	Err            error // why it was refused
}

// Start starts a proxy for pg, which needs harness.TLS, with a key of its own in
// region eu-west-3.
func Start(tb testing.TB, pg *harness.Server) *Proxy {
	tb.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pg.DataDir, "server.crt"), filepath.Join(pg.DataDir, "server.key"))
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		Host: "localhost", Port: listener.Addr().(*net.TCPAddr).Port, CA: pg.Certs.CA,
		socket:      filepath.Join(pg.SocketDir, ".s.PGSQL."+strconv.Itoa(pg.Port)),
		certificate: certificate, listener: listener, conns: make(map[net.Conn]bool),
		policy: Policy{Region: "eu-west-3", Key: Key{ID: "AKIA" + rand.Text()[:16], Secret: rand.Text() + "/+" + rand.Text()}},
	}
	p.policy.Endpoint = fmt.Sprintf("%s:%d", p.Host, p.Port)
	p.open.Go(p.accept)
	tb.Cleanup(p.stop)
	return p
}

// URL is the location of a database for a user, "" of all databases.
func (p *Proxy) URL(user, database string) string {
	return fmt.Sprintf("postgres+aws://%s@%s:%d/%s", user, p.Host, p.Port, database)
}

// Policy returns what is asked of tokens.
func (p *Proxy) Policy() Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy
}

// SetPolicy changes what is asked of tokens.
func (p *Proxy) SetPolicy(policy Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = policy
}

// OnAdmitted has f called for every connection that is let in, before it goes on.
func (p *Proxy) OnAdmitted(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.admitted = f
}

// Logins lists the attempts to connect so far.
func (p *Proxy) Logins() []Login {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Login(nil), p.log...)
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.open.Go(func() {
			defer p.keep(conn)()
			p.serve(conn)
		})
	}
}

// keep remembers a connection, to be closed with the proxy.
func (p *Proxy) keep(conn net.Conn) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
		_ = conn.Close()
	}
}

func (p *Proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.open.Wait()
}

// serve handles what comes before the session, then relays it.
func (p *Proxy) serve(conn net.Conn) {
	encrypted := false
	for {
		backend := pgproto3.NewBackend(conn, conn)
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		switch message := message.(type) {
		case *pgproto3.GSSEncRequest:
			_, err = conn.Write([]byte("N"))
		case *pgproto3.SSLRequest:
			_, err = conn.Write([]byte("S"))
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.certificate}, MinVersion: tls.VersionTLS12})
			encrypted = true
		case *pgproto3.CancelRequest:
			p.relay(conn, message)
			return
		case *pgproto3.StartupMessage:
			if p.admit(backend, message, encrypted) {
				p.relay(conn, message)
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// admit asks for the token and checks it.
func (p *Proxy) admit(backend *pgproto3.Backend, startup *pgproto3.StartupMessage, encrypted bool) bool {
	login := Login{User: startup.Parameters["user"], Database: startup.Parameters["database"]}
	if encrypted {
		login.Token, login.Err = askPassword(backend)
	} else {
		login.Err = fmt.Errorf("no encryption")
	}
	login.Time = time.Now()
	if login.Err == nil {
		login.Err = p.Policy().Check(login.Token, login.User, login.Time)
	}
	p.mu.Lock()
	p.log = append(p.log, login)
	admitted := p.admitted
	p.mu.Unlock()
	if login.Err != nil {
		text := fmt.Sprintf("PAM authentication failed for user %q", login.User)
		if !encrypted {
			text = fmt.Sprintf("pg_hba.conf rejects connection for user %q, no encryption", login.User)
		}
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28000", Message: text})
		_ = backend.Flush()
		return false
	}
	if admitted != nil {
		admitted()
	}
	return true
}

func askPassword(backend *pgproto3.Backend) (string, error) {
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := backend.Flush(); err != nil {
		return "", err
	}
	if err := backend.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return "", err
	}
	message, err := backend.Receive()
	if err != nil {
		return "", err
	}
	password, ok := message.(*pgproto3.PasswordMessage)
	if !ok {
		return "", fmt.Errorf("a %T in place of a password", message)
	}
	return password.Password, nil
}

// relay passes the first message on to the real server, then everything in both
// directions, until one side closes.
func (p *Proxy) relay(client net.Conn, first pgproto3.FrontendMessage) {
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer p.keep(server)()
	message, err := first.Encode(nil)
	if err != nil {
		return
	}
	if _, err := server.Write(message); err != nil {
		return
	}
	p.open.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

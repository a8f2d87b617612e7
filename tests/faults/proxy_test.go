//go:build linux

package faults

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// proxy is the network between plakar and a server.
type proxy struct {
	tb       testing.TB
	listener *net.TCPListener
	target   string

	mu     sync.Mutex
	gate   *sync.Cond
	closed bool
	frozen bool
	conns  []*net.TCPConn // both ends of each connection, the client's first
	sent   int64          // bytes from clients to the server
	limit  int64          // of sent, at which act is called once; 0 for none
	act    func()
	came   int64  // bytes from the server
	stop   int64  // of came, at which it freezes; 0 for none
	marker []byte // before it the server's data is damaged, once; nil for nothing
}

// newProxy forwards to a server until the test ends.
func newProxy(tb testing.TB, server *harness.Server) *proxy {
	tb.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(false) // it knows no packet filters
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{tb: tb, listener: listener.(*net.TCPListener), target: net.JoinHostPort(server.Host, strconv.Itoa(server.Port))}
	p.gate = sync.NewCond(&p.mu)
	go p.accept()
	tb.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		server := upstream.(*net.TCPConn)
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		go p.forward(server, client, true)
		go p.forward(client, server, false)
	}
}

// forward copies until an end closes, waiting while the proxy is frozen.
func (p *proxy) forward(to, from *net.TCPConn, count bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.pass(n, count)
			if !count {
				p.spoil(buffer[:n])
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	for p.frozen && !p.closed {
		p.gate.Wait()
	}
	p.mu.Unlock()
	_ = to.Close()
	_ = from.Close()
}

// pass waits while the proxy is frozen, and counts.
func (p *proxy) pass(n int, count bool) {
	p.mu.Lock()
	var act func()
	if count {
		p.sent += int64(n)
		if p.limit > 0 && p.sent > p.limit {
			act, p.limit = p.act, 0
		}
	} else if p.came += int64(n); p.stop > 0 && p.came > p.stop {
		p.frozen, p.stop = true, 0
	}
	p.mu.Unlock()
	if act != nil {
		act()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.closed {
		p.gate.Wait()
	}
}

// flip changes one byte of what comes from the server: the one before the marker.
func (p *proxy) flip(marker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker = []byte(marker)
}

func (p *proxy) spoil(part []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := bytes.Index(part, p.marker); p.marker != nil && at > 0 {
		part[at-1] ^= 1
		p.marker = nil
	}
}

// after calls act when clients have sent that many bytes from now on.
func (p *proxy) after(bytes int64, act func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.act = p.sent+bytes, act
}

// freeze stops forwarding; both ends believe the other one alive.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

// hold freezes when the server has sent that many bytes from now on.
func (p *proxy) hold(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = p.came + bytes
}

// held reports whether it is frozen.
func (p *proxy) held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

// again forwards at the same address after everything.
func (p *proxy) again(tb testing.TB) {
	tb.Helper()
	p.close()
	listener, err := net.ListenTCP("tcp", p.listener.Addr().(*net.TCPAddr))
	if err != nil {
		tb.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.conns, p.frozen, p.closed, p.stop = listener, nil, false, false, 0
	go p.accept()
}

// thaw goes on forwarding, whatever comes: hold is over.
func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen, p.stop = false, 0
	p.gate.Broadcast()
}

// reset ends every connection the hard way, and lets nobody in any more.
func (p *proxy) reset() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// vanish makes clients' packets disappear without an answer, those of new
// connections as well: the kernel drops them before TCP sees them.
func (p *proxy) vanish() {
	p.freeze()
	p.mu.Lock()
	defer p.mu.Unlock()
	drop(p.tb, p.listener)
	for i := 0; i < len(p.conns); i += 2 {
		drop(p.tb, p.conns[i])
	}
}

// drop attaches a packet filter that lets nothing through.
func drop(tb testing.TB, c interface {
	SyscallConn() (syscall.RawConn, error)
}) {
	raw, err := c.SyscallConn()
	if err != nil {
		return // closed already
	}
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	_ = raw.Control(func(fd uintptr) {
		err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
		if err != nil {
			tb.Errorf("attaching a packet filter: %v", err)
		}
	})
}

// close lets everything go.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.gate.Broadcast()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

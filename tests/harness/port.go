package harness

import (
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports for servers are below those that the kernel gives to clients and to
// listeners that ask for any: a server can be stopped and started again on its port.
// Source: ip(7), ip_local_port_range; 49152 and above elsewhere.
const (
	firstPort = 16000
	ports     = 16000
)

// FreePort returns a TCP port on 127.0.0.1 that nobody listens on, and that no other
// test is given until this one has ended, in whatever process it runs.
func FreePort(tb testing.TB) int {
	tb.Helper()
	dir := filepath.Join(os.TempDir(), "pgtest-ports-"+strconv.Itoa(os.Getuid()))
	must(tb, os.MkdirAll(dir, 0o700))
	for range 1000 {
		port := firstPort + rand.IntN(ports) //nolint:gosec // no secret
		lock, ok := tryLock(filepath.Join(dir, strconv.Itoa(port)))
		if !ok {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			_ = lock.Close()
			continue
		}
		_ = listener.Close()
		tb.Cleanup(func() { _ = lock.Close() })
		return port
	}
	tb.Fatalf("no port between %d and %d is free", firstPort, firstPort+ports)
	return 0
}

// tryLock takes the lock on path, which lasts until the file is closed, if it is
// free.
func tryLock(path string) (*os.File, bool) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own
	if err != nil {
		return nil, false
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = file.Close()
		return nil, false
	}
	return file, true
}

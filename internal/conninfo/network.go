package conninfo

import (
	"net"
	"strconv"
	"syscall"
	"time"
)

// defaultTimeouts say how long a connection may be silent: what libpq leaves to the
// kernel is hours for a server that vanished, and for ever for one that accepts a
// connection and never answers. A server that is reached but busy is waited for
// without limit.
//
// tcp_user_timeout stays unset: it would also end the connection to a server that
// is alive and does not read for that long. Data that nobody acknowledges is given
// up after the kernel's own 15 minutes.
var defaultTimeouts = map[string]string{
	"connect_timeout":     "30", // seconds, for each address
	"keepalives_idle":     "60", // seconds without traffic before the first probe
	"keepalives_interval": "10", // seconds between probes
	"keepalives_count":    "6",  // probes without an answer
}

// dialer opens connections that notice a dead network as those of libpq do.
func (i Info) dialer() *net.Dialer {
	number := func(keyword string) int {
		n, _ := strconv.Atoi(i.keywords[keyword])
		return n
	}
	// To libpq 0 is the kernel's default, to Go a negative number is.
	orKernel := func(n int) int {
		if n <= 0 {
			return -1
		}
		return n
	}
	seconds := func(keyword string) time.Duration {
		return time.Duration(orKernel(number(keyword))) * time.Second
	}
	d := &net.Dialer{KeepAlive: -1}
	if i.keywords["keepalives"] != "0" {
		d.KeepAliveConfig = net.KeepAliveConfig{
			Enable: true, Idle: seconds("keepalives_idle"), Interval: seconds("keepalives_interval"),
			Count: orKernel(number("keepalives_count")),
		}
	}
	if limit := number("tcp_user_timeout"); limit > 0 {
		d.Control = func(network, _ string, c syscall.RawConn) error { return setUserTimeout(network, c, limit) }
	}
	return d
}

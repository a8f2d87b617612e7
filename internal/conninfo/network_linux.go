package conninfo

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// setUserTimeout limits how many milliseconds sent data may stay unacknowledged.
func setUserTimeout(network string, c syscall.RawConn, milliseconds int) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, milliseconds) // #nosec G115 -- a descriptor
	})
	return errors.Join(err, set)
}

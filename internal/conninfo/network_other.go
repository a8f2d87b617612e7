//go:build !linux

package conninfo

import "syscall"

// setUserTimeout does nothing, as libpq does where the system has no such limit.
func setUserTimeout(string, syscall.RawConn, int) error { return nil }

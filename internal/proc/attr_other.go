//go:build !linux

package proc

import "syscall"

// attributes makes the child lead its own process group.
func attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

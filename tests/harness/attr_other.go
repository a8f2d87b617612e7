//go:build !linux

package harness

import "syscall"

func serverAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential()}
}

func clientAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

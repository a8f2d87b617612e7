//go:build !linux

package harness

import "syscall"

func serverAttr(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: who}
}

func clientAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

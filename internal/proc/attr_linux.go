package proc

import "syscall"

// attributes makes the child lead its own process group and, when the plugin is
// killed with SIGKILL, get the signal stop.
func attributes(stop syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: stop}
}

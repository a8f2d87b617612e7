package proc

import "syscall"

// attributes makes the child lead its own process group and, when the plugin is
// killed with SIGKILL, get SIGTERM.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

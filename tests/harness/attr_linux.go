package harness

import "syscall"

// serverAttr runs a server in a group of its own (Ctrl-C is for the test, not
// for the server) and ends it when the test process dies.
func serverAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid: true, Credential: credential(), Pdeathsig: syscall.SIGQUIT,
	}
}

// clientAttr is the same for a command that runs as ourselves.
func clientAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

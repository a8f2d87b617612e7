package harness

import "syscall"

// serverAttr runs a server in a group of its own (Ctrl-C is for the test, not
// for the server), as the given user, and ends it when the test process dies.
func serverAttr(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid: true, Credential: who, Pdeathsig: syscall.SIGQUIT,
	}
}

// clientAttr is the same for a command that runs as ourselves.
func clientAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

package proc

import (
	"os/exec"
	"runtime"
	"sync"
)

// fork starts cmd from one thread that lives as long as the program: the signal of
// attributes comes when the thread ends that started the process, and the Go runtime
// ends threads at will.
// Source: https://github.com/golang/go/issues/27505
func fork(cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	forks() <- func() { ended <- cmd.Start() }
	return <-ended
}

// forks starts that thread.
var forks = sync.OnceValue(func() chan<- func() {
	queue := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range queue {
			start()
		}
	}()
	return queue
})

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// guardArg is the first argument of a guard, the second is the directory.
const guardArg = "guard"

// The names in a scratch directory.
const (
	dataName   = "data"
	pidName    = dataName + "/postmaster.pid"
	socketName = "s"
	keptName   = "kept" // says that nobody removes the directory
)

// endTime is how long a server has to end after SIGQUIT, on which it ends at once, before
// SIGKILL.
const endTime = 2 * time.Second

// IsGuard reports whether a program was started to be a guard: args is os.Args.
func IsGuard(args []string) bool { return len(args) == 3 && args[1] == guardArg }

// RunGuard is the program of a guard: it returns the exit status.
func RunGuard(args []string) int {
	if !proc.AwaitGuarded() {
		return 0
	}
	if err := clean(args[2]); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// clean ends what runs in a scratch directory and removes it.
func clean(dir string) error {
	_ = os.Remove(dir + unlocked)
	signal(dir, syscall.SIGQUIT)
	deadline := time.Now().Add(endTime)
	for len(processesIn(dir)) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	var err error
	for try := 0; try < 100; try++ {
		signal(dir, syscall.SIGKILL)
		removeSharedMemory(filepath.Join(dir, dataName))
		// A process that is about to end may make a file in a directory that is removed.
		if err = os.RemoveAll(dir); err == nil && len(processesIn(dir)) == 0 {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("removing %s: %w", dir, errors.Join(err, fmt.Errorf("processes: %v", processesIn(dir))))
}

func signal(dir string, sig syscall.Signal) {
	for _, pid := range processesIn(dir) {
		_ = syscall.Kill(pid, sig)
	}
}

// lock takes the lock of a scratch directory without waiting: that on the directory itself.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0) // #nosec G304 -- ours
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

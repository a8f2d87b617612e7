package docs

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// TestTestdb: "make testdb" makes a server that the commands which it prints back up and
// restore, and plakar finds the client tools for it, as it does with the shortest settings
// that there are.
func TestTestdb(t *testing.T) {
	harness.LowestMajorOnly(t, "the script chooses a version itself")
	if os.Getenv("PG_IMAGE") != "" {
		t.Skip("with servers in containers, this machine has no server programs")
	}
	plakar := harness.NewPlakar(t)
	port := strconv.Itoa(harness.FreePort(t))
	url := "postgres://postgres@localhost:" + port
	for _, command := range testdb(t, port) {
		args := strings.Fields(command)
		if last := len(args) - 1; args[last] == "<snapid>" {
			args[last] = plakar.Snapshots()[0]
		}
		if strings.Contains(command, "pg_bin_dir") {
			t.Errorf("the tools of this machine are not found without more: %s", command)
		}
		plakar.MustRun(args...)
	}
	plakar.MustRun("destination", "add", "notes", url, "password=postgres")
	plakar.MustRun("destination", "ping", "notes")
}

// testdb starts the server, and returns the arguments of the plakar commands that are printed
// for it.
func testdb(t *testing.T, port string) (commands []string) {
	t.Helper()
	cmd := exec.Command("make", "-s", "testdb", "IMAGE=", "PORT="+port)
	cmd.Dir, cmd.Stderr = harness.Root(), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches make and the script
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		_ = cmd.Wait() // by the signal
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		command, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "plakar ")
		if found {
			commands = append(commands, command)
		}
		if strings.HasPrefix(command, "restore ") {
			return commands
		}
	}
	t.Fatalf("make testdb has ended after it printed %q", commands)
	return nil
}

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// imageOf returns the image that the servers of a major version are run from,
// "" when they are programs of this machine. The version is that of binDir.
func imageOf(binDir string) (string, error) {
	pattern := os.Getenv("PG_IMAGE")
	if pattern == "" {
		return "", nil
	}
	dirs, err := bindirs()
	if err != nil {
		return "", err
	}
	for major, dir := range dirs {
		if dir == binDir {
			return strings.ReplaceAll(pattern, "%d", strconv.Itoa(major)), nil
		}
	}
	return "", fmt.Errorf("PG_IMAGE=%s: %s has the programs of no known version", pattern, binDir)
}

// serverCommand makes a command that runs a program of the server, as the
// server's user and in its directory: one of this machine, or of an image. Only
// the way to it differs: a container has the directory for temporary files at the
// same path, and the machine's network and process IDs. See tests/container.
func serverCommand(binDir, home, program string, args ...string) (*exec.Cmd, error) {
	image, err := imageOf(binDir)
	if err != nil {
		return nil, err
	}
	if image == "" {
		cmd := exec.Command(filepath.Join(binDir, program), args...) //nolint:gosec // a tool found by the harness
		cmd.Dir = home
		cmd.Env = serverEnv(home)
		cmd.SysProcAttr = serverAttr(credential())
		return cmd, nil
	}
	return containerCommand(image, home, append([]string{program}, args...))
}

func containerCommand(image, home string, argv []string) (*exec.Cmd, error) {
	runner := filepath.Join(Root(), ".cache", "container", "pgcontainer")
	if _, err := os.Stat(runner); err != nil {
		return nil, fmt.Errorf("servers in containers: %w\nhint: make integration-test builds it", err)
	}
	who, err := serverOwner()
	if err != nil {
		return nil, err
	}
	args := []string{
		"-image", image, "-user", fmt.Sprintf("%d:%d", who.uid, who.gid), "-mount", os.TempDir(), "-dir", home,
	}
	for _, pair := range serverEnv(home) {
		if !strings.HasPrefix(pair, "PATH=") { // the image has its own
			args = append(args, "-env", pair)
		}
	}
	args = append(append(args, "--"), argv...)
	cmd := exec.Command(runner, args...) //nolint:gosec // built by tests/setup/container.sh
	cmd.Dir = home
	cmd.SysProcAttr = serverAttr(nil) // as ourselves, who may use the container engine
	return cmd, nil
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// The test binary is the program itself when this variable is set.
const asProgram = "PGCONTAINER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is a command that runs a shell script in the image.
func program(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	image := os.Getenv("PGCONTAINER_IMAGE")
	if image == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("PGCONTAINER_IMAGE is not set")
		}
		t.Skip("PGCONTAINER_IMAGE is not set; make integration-test does it")
	}
	all := append([]string{"-image", image}, args...)
	cmd := exec.Command(os.Args[0], append(all, "--", "sh", "-c", script)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func status(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, `echo out; echo err >&2; id -u; id -un; pwd; echo "$WORD" >file; exit 3`,
		"-user", "1234:1235", "-mount", dir, "-dir", dir, "-env", "WORD=a b")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if got := status(t, cmd.Run()); got != 3 {
		t.Errorf("exit status %d", got)
	}
	if want := "out\n1234\npostgres\n" + dir + "\n"; stdout.String() != want || stderr.String() != "err\n" {
		t.Errorf("stdout %q, want %q; stderr %q", stdout.String(), want, stderr.String())
	}
	file := filepath.Join(dir, "file")
	content, err := os.ReadFile(file)
	if err != nil || string(content) != "a b\n" {
		t.Errorf("file: %q, %v", content, err)
	}
	if info, err := os.Stat(file); err != nil || info.Sys().(*syscall.Stat_t).Uid != 1234 {
		t.Errorf("the file's owner: %+v, %v", info, err)
	}
}

func TestSignals(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 11, syscall.SIGTERM: 12, syscall.SIGQUIT: 13} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := program(t, "trap 'exit 11' INT; trap 'exit 12' TERM; trap 'exit 13' QUIT; echo ready; while :; do sleep 0.1; done")
			started(t, cmd)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if got := status(t, cmd.Wait()); got != want {
				t.Errorf("exit status %d, want %d", got, want)
			}
		})
	}
}

// Nobody is left to clean up but the guard.
func TestKilled(t *testing.T) {
	marker := fmt.Sprintf("guarded-%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := program(t, "echo ready; : "+marker+"; while :; do sleep 0.1; done")
	started(t, cmd)
	if left := remains(t, marker); len(left) < 2 {
		t.Fatalf("not a process and a container: %q", left)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); len(remains(t, marker)) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %q", remains(t, marker))
		}
	}
}

// started starts the program and waits until it says that it is ready.
func started(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

// remains lists the containers, and the processes in them, with the marker in
// their command line.
func remains(t *testing.T, marker string) []string {
	t.Helper()
	docker, err := testcontainers.NewDockerClientWithOpts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = docker.Close() }()
	list, err := docker.ContainerList(context.Background(), client.ContainerListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, c := range list.Items {
		info, err := docker.ContainerInspect(context.Background(), c.ID, client.ContainerInspectOptions{})
		if err == nil && strings.Contains(strings.Join(info.Container.Args, " "), marker) {
			found = append(found, "container "+c.ID)
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && bytes.HasPrefix(cmdline, []byte("sh\x00")) && bytes.Contains(cmdline, []byte(marker)) {
			found = append(found, "process "+filepath.Base(dir))
		}
	}
	return found
}

func TestParse(t *testing.T) {
	s, err := parse([]string{"-image", "i", "-mount", "/a", "-mount", "/b", "-env", "A=b=c", "--", "p", "-x"}, io.Discard)
	if err != nil || strings.Join(s.mounts, " ") != "/a /b" || s.env["A"] != "b=c" || strings.Join(s.argv, " ") != "p -x" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range [][]string{{}, {"-image", "i"}, {"--", "p"}, {"-image", "i", "-env", "A", "p"}, {"-nope"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

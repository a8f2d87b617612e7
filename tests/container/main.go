// Command pgcontainer runs one program of a PostgreSQL image in the foreground,
// as if it were installed on this machine:
//
//	pgcontainer -image postgres:17 -user 1000:1000 -mount /tmp -dir /tmp/x -env LC_ALL=C.UTF-8 -- postgres -D /tmp/x/data
//
// The program has the machine's network and process IDs, the mounted
// directories under their own paths, and the given user. SIGINT, SIGTERM and
// SIGQUIT are passed on, what it prints comes out here, and its exit status is
// ours; 125 means that it could not be run. "pgcontainer check" exits with 0 when a
// container engine answers. Nothing remains in the engine,
// however we end, kill -9 included: see guard.
//
// It is a module of its own, so that testcontainers-go and what that needs stay
// out of the plugin's go.mod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/testcontainers/testcontainers-go/log"
)

// checkCommand asks whether there is an engine.
const checkCommand = "check"

// notRun is the exit status when the program was not run, as docker has it.
const notRun = 125

// spec is what to run and where.
type spec struct {
	image  string
	user   string            // "uid:gid"; the image's own when empty
	dir    string            // working directory
	mounts []string          // directories of the machine
	env    map[string]string // added to the image's own
	argv   []string
}

func main() {
	// Ryuk, which removes testcontainers' leftovers, is an image to be pulled and
	// privileged; the guard takes its place.
	_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	log.SetDefault(quiet{})
	if len(os.Args) == 3 && os.Args[1] == guardCommand {
		exit(0, guard(os.Stdin, os.Args[2]))
	}
	if len(os.Args) == 2 && os.Args[1] == checkCommand {
		exit(0, check(context.Background()))
	}
	s, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		exit(notRun, err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	exit(s.run(context.Background(), signals))
}

func exit(status int, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "pgcontainer: %v\n", err)
		status = max(status, notRun)
	}
	os.Exit(status)
}

func parse(args []string, out io.Writer) (spec, error) {
	s := spec{env: map[string]string{}}
	flags := flag.NewFlagSet("pgcontainer", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.image, "image", "", "image; it is pulled when it is not there")
	flags.StringVar(&s.user, "user", "", "numeric user and group, uid:gid")
	flags.StringVar(&s.dir, "dir", "/", "working directory")
	flags.Func("mount", "directory to mount at its own path; may be repeated", func(dir string) error {
		s.mounts = append(s.mounts, dir)
		return nil
	})
	flags.Func("env", "NAME=VALUE for the program; may be repeated", func(pair string) error {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", pair)
		}
		s.env[name] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.argv = flags.Args()
	if s.image == "" || len(s.argv) == 0 {
		return s, errors.New("no image or no program: pgcontainer -image IMAGE [OPTION ...] -- PROGRAM [ARGUMENT ...]")
	}
	return s, nil
}

// quiet drops testcontainers' progress messages: our output is the program's.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

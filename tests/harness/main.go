package harness

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// atOnce is how many parallel tests a package runs at the same time, unless
// -parallel says something else: more than there are CPUs, because most of them
// wait for a server, for a limit on a transfer, or for one another's disk.
const atOnce = "6"

// Main runs a package's tests; TestMain calls it.
func Main(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(atOnce)
	}
	os.Exit(withHome(m))
}

// Once is for a test that PG_MAJOR and PG_TOOLS make no difference to: it is left
// out, with a line in $PG_LEFT_OUT, unless PG_MAJOR is the default, the lowest version
// there is, and PG_TOOLS is not set. why says what makes all versions the same.
func Once(tb testing.TB, why string) {
	tb.Helper()
	once(tb, why, os.Getenv("PG_TOOLS") == "")
}

// OnceForServers is Once for a test that PG_TOOLS does make a difference to.
func OnceForServers(tb testing.TB, why string) {
	tb.Helper()
	once(tb, why, true)
}

// leaveOut adds a line to $PG_LEFT_OUT, if that names a file: without -v, go test says
// nothing of what it skips.
func leaveOut(line string) (err error) {
	name := os.Getenv("PG_LEFT_OUT")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // what the caller names
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = fmt.Fprintln(file, line)
	return err
}

func once(tb testing.TB, why string, ownTools bool) {
	tb.Helper()
	majors := Majors()
	major, err := DefaultMajor()
	must(tb, err)
	if len(majors) == 0 || major == majors[0] && ownTools {
		return
	}
	var given []string
	for _, name := range []string{"PG_MAJOR", "PG_TOOLS"} {
		if value := os.Getenv(name); value != "" {
			given = append(given, name+"="+value)
		}
	}
	note := fmt.Sprintf("left out with %s, because %s; PG_MAJOR=%d alone runs it", strings.Join(given, " "), why, majors[0])
	must(tb, leaveOut(tb.Name()+" was "+note))
	tb.Skip(note)
}

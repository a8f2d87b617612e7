package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Root returns the top of the source tree.
func Root() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("harness: no caller information")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Missing ends a test that cannot run for want of a tool: it fails in CI,
// where everything has to be there, and is skipped elsewhere.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// Majors returns the major versions that Start can run, lowest first.
func Majors() []int {
	dirs, _ := bindirs()
	majors := make([]int, 0, len(dirs))
	for major := range dirs {
		majors = append(majors, major)
	}
	slices.Sort(majors)
	return majors
}

// EachMajor runs f as a parallel subtest for every major version found.
func EachMajor(t *testing.T, f func(t *testing.T, major int)) {
	t.Helper()
	each(t, Majors(), f)
}

// EachMajorOfRun is EachMajor unless PG_MAJOR is set: then it is for that version only,
// because the other ones have a run of their own.
func EachMajorOfRun(t *testing.T, f func(t *testing.T, major int)) {
	t.Helper()
	majors := Majors()
	if os.Getenv("PG_MAJOR") != "" {
		major, err := DefaultMajor()
		must(t, err)
		majors = []int{major}
	}
	each(t, majors, f)
}

func each(t *testing.T, majors []int, f func(t *testing.T, major int)) {
	t.Helper()
	if len(majors) == 0 {
		Missing(t, "no PostgreSQL server binaries found; run tests/setup/postgres.sh")
	}
	for _, major := range majors {
		t.Run(fmt.Sprintf("pg%d", major), func(t *testing.T) {
			t.Parallel()
			f(t, major)
		})
	}
}

// DefaultMajor returns $PG_MAJOR, else the lowest major version found, 0 when
// there is none.
func DefaultMajor() (int, error) {
	majors := Majors()
	if want := os.Getenv("PG_MAJOR"); want != "" {
		n, err := strconv.Atoi(want)
		if err != nil || !slices.Contains(majors, n) {
			return 0, fmt.Errorf("PG_MAJOR=%s: found only %v", want, majors)
		}
		return n, nil
	}
	if len(majors) == 0 {
		return 0, nil
	}
	return majors[0], nil
}

// BinDir returns the directory of a major version's programs; the test is
// skipped (fails in CI) when it is not installed.
func BinDir(tb testing.TB, major int) string {
	tb.Helper()
	dirs, err := bindirs()
	if err != nil {
		tb.Fatal(err)
	}
	dir, ok := dirs[major]
	if !ok {
		Missing(tb, "PostgreSQL %d not found; run tests/setup/postgres.sh or tests/setup/majors.sh %d", major, major)
	}
	return dir
}

// ToolsDir returns the directory of the client programs that the package uses with
// a server of a major version.
func ToolsDir(tb testing.TB, server int) string {
	tb.Helper()
	return BinDir(tb, ToolsMajor(tb, server))
}

// ToolsMajor is the major version of these programs.
func ToolsMajor(tb testing.TB, server int) int {
	tb.Helper()
	major, err := toolsMajor(server)
	must(tb, err)
	return major
}

// toolsMajor returns the major version of the client tools that a server of the
// given version is backed up and restored with: $PG_TOOLS, or the server's own
// when there is none or the server is newer.
func toolsMajor(server int) (int, error) {
	want := os.Getenv("PG_TOOLS")
	if want == "" {
		return server, nil
	}
	major, err := strconv.Atoi(want)
	if err != nil {
		return 0, fmt.Errorf("PG_TOOLS=%s: not a major version", want)
	}
	return max(major, server), nil
}

// bindirs finds the programs of every major version, once per process.
var bindirs = sync.OnceValues(func() (map[int]string, error) {
	if list := os.Getenv("PG_BINDIRS"); list != "" {
		return parseBindirs(list)
	}
	found := map[int]string{}
	patterns := []string{
		filepath.Join(Root(), ".cache/pg/*/usr/lib/postgresql/*/bin"),
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/usr/lib/postgresql/*/bin", // last: the machine's own one wins
	}
	for _, pattern := range patterns {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("looking for servers: %w", err)
		}
		for _, dir := range dirs {
			addBindir(found, dir)
		}
	}
	if initdb, err := exec.LookPath("initdb"); err == nil && len(found) == 0 {
		addBindir(found, filepath.Dir(initdb))
	}
	return found, nil
})

// addBindir records dir under the version that its server reports. A
// directory without a working server (client packages only) is left out.
func addBindir(found map[int]string, dir string) {
	// Through the link: the way to it may be closed to the server's user.
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return
	}
	// "postgres (PostgreSQL) 15.13 (Debian ...)", "... 19beta1"
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return
	}
	digits := strings.IndexFunc(fields[2]+".", func(r rune) bool { return r < '0' || r > '9' })
	if major, err := strconv.Atoi(fields[2][:digits]); err == nil {
		found[major] = dir
	}
}

func parseBindirs(list string) (map[int]string, error) {
	found := map[int]string{}
	for item := range strings.SplitSeq(list, ":") {
		number, dir, ok := strings.Cut(item, "=")
		major, err := strconv.Atoi(number)
		if !ok || err != nil {
			return nil, fmt.Errorf("PG_BINDIRS: %q is not <major>=<directory>", item)
		}
		found[major] = dir
	}
	return found, nil
}

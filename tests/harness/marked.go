package harness

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// marked are the tests, by their names, that have called AlsoInContainers, and begun those
// that have a server or a plakar.
var marked = struct {
	sync.Mutex
	tests, begun map[string]bool
}{tests: make(map[string]bool), begun: make(map[string]bool)}

// AlsoInContainers is for a test that a server in a container may make a difference to,
// because it is about the way to the server, or reads its files, stops or kills it.
// .ci/run runs these with servers in containers as well; "make integration-test" and a long
// run do that with all tests. A test calls it before it starts anything.
func AlsoInContainers(tb testing.TB) {
	tb.Helper()
	marked.Lock()
	defer marked.Unlock()
	name := topLevel(tb)
	if marked.begun[name] {
		tb.Fatal("AlsoInContainers comes after something was started")
	}
	marked.tests[name] = true
}

// begin is called before a test gets a server or a plakar: it skips the test in a run in
// containers that is for those with AlsoInContainers, if it is none of them.
func begin(tb testing.TB) {
	tb.Helper()
	marked.Lock()
	defer marked.Unlock()
	name := topLevel(tb)
	marked.begun[name] = true
	if os.Getenv("PG_IMAGE") != "" && os.Getenv("PG_CONTAINER_TESTS") == "marked" && !Long() && !marked.tests[name] {
		tb.Skip("a container makes no difference to it: see harness.AlsoInContainers")
	}
}

// topLevel is the name of the test that a subtest belongs to.
func topLevel(tb testing.TB) string {
	name, _, _ := strings.Cut(tb.Name(), "/")
	return name
}

package harness

import (
	"flag"
	"os"
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

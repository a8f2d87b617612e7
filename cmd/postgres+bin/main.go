// Command postgres+bin is the plugin for postgres+bin:// and postgres+check:// that plakar
// starts.
package main

import (
	"os"

	"github.com/PlakarKorp/integration-postgresql/exporter/check"
	exporter "github.com/PlakarKorp/integration-postgresql/exporter/physical"
	importer "github.com/PlakarKorp/integration-postgresql/importer/physical"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

func main() {
	if check.IsGuard(os.Args) {
		os.Exit(check.RunGuard(os.Args))
	}
	os.Exit(plugin.Main(os.Args, importer.New, target))
}

// target chooses by the protocol.
func target(protocol string, settings map[string]string, environ []string) (plugin.Target, error) {
	if protocol == "postgres+check" {
		return check.New(protocol, settings, environ)
	}
	return exporter.New(protocol, settings, environ)
}

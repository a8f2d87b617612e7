// Command postgres+bin is the plugin for postgres+bin://, postgres+wal:// and postgres+check:// that
// plakar starts.
package main

import (
	"os"

	"github.com/PlakarKorp/integration-postgresql/exporter/check"
	exporter "github.com/PlakarKorp/integration-postgresql/exporter/physical"
	importer "github.com/PlakarKorp/integration-postgresql/importer/physical"
	"github.com/PlakarKorp/integration-postgresql/importer/wal"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

func main() {
	if check.IsGuard(os.Args) {
		os.Exit(check.RunGuard(os.Args))
	}
	os.Exit(plugin.Main(os.Args, source, target))
}

// target chooses by the protocol.
func target(protocol string, settings map[string]string, environ []string) (plugin.Target, error) {
	if protocol == "postgres+check" {
		return check.New(protocol, settings, environ)
	}
	return exporter.New(protocol, settings, environ)
}

// source chooses by the protocol.
func source(protocol string, settings map[string]string, environ []string) (plugin.Source, error) {
	if protocol == "postgres+wal" {
		return wal.New(protocol, settings, environ)
	}
	return importer.New(protocol, settings, environ)
}

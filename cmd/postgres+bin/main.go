// Command postgres+bin is the plugin for postgres+bin:// that plakar starts.
package main

import (
	"os"

	exporter "github.com/PlakarKorp/integration-postgresql/exporter/physical"
	importer "github.com/PlakarKorp/integration-postgresql/importer/physical"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

func main() { os.Exit(plugin.Main(os.Args, importer.New, exporter.New)) }

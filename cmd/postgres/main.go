// Command postgres is the plugin for postgres:// that plakar starts.
package main

import (
	"os"

	exporter "github.com/PlakarKorp/integration-postgresql/exporter/logical"
	importer "github.com/PlakarKorp/integration-postgresql/importer/logical"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
)

func main() { os.Exit(plugin.Main(os.Args, importer.New, exporter.New)) }

// Command postgres+aws is the plugin for postgres+aws:// that plakar starts.
package main

import (
	"log/slog"
	"os"

	exporter "github.com/PlakarKorp/integration-postgresql/exporter/logical"
	importer "github.com/PlakarKorp/integration-postgresql/importer/logical"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/rdsauth"
)

func main() { os.Exit(plugin.Main(os.Args, source, target)) }

func source(protocol string, settings map[string]string, environ []string) (plugin.Source, error) {
	o, err := options.DecodeImportAWS(settings)
	if err != nil {
		return nil, err
	}
	info, warnings, err := rdsauth.Parse(o.Connection, o.Region, environ)
	if err != nil {
		return nil, err
	}
	return importer.NewWith(protocol, o.Import, info, warnings...)
}

func target(protocol string, settings map[string]string, environ []string) (plugin.Target, error) {
	o, err := options.DecodeExportAWS(settings)
	if err != nil {
		return nil, err
	}
	info, warnings, err := rdsauth.Parse(o.Connection, o.Region, environ)
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		slog.Warn(warning)
	}
	return exporter.NewWith(protocol, o.Export, info)
}

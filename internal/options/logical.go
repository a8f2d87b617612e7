package options

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// maxDefaultJobs keeps the default number of client processes low enough for
// the connection limit of a small server.
const maxDefaultJobs = 4

// Import holds the options of a logical backup.
type Import struct {
	Connection

	// ExcludeDatabases are exact names; no effect with one database selected.
	ExcludeDatabases []string `option:"exclude_databases" doc:"databases to leave out"`
	// Compress is the method of pg_dump's own compression, which defeats
	// deduplication: "gzip", "lz4" or "zstd", and "" for none.
	Compress         string   `option:"compress" default:"false" enum:"false|true|gzip|lz4|zstd" doc:"pg_dump's own compression, true is gzip, lz4 and zstd need pg_dump 16; off so that deduplication works"`
	SchemaOnly       bool     `option:"schema_only" default:"false" doc:"no rows"`
	DataOnly         bool     `option:"data_only" default:"false" doc:"rows only, no globals"`
	Schemas          []string `option:"schemas" doc:"patterns of the schemas to dump; one database selected"`
	ExcludeSchemas   []string `option:"exclude_schemas" doc:"patterns of the schemas to leave out; one database selected"`
	Tables           []string `option:"tables" doc:"patterns of the tables to dump; one database selected"`
	ExcludeTables    []string `option:"exclude_tables" doc:"patterns of the tables to leave out; one database selected"`
	ExcludeTableData []string `option:"exclude_table_data" doc:"patterns of the tables whose rows to leave out; one database selected"`
	// Layout is "single", a dump for each database, or "tables".
	Layout string `option:"layout" default:"single" enum:"single|tables" doc:"one file for each database, or, to use several cores, one for each large table"`
	// TableSize is what a table has to take on the server, with what is stored out
	// of line, to get a file of its own.
	TableSize Size `option:"table_size" default:"8MiB" doc:"with layout=tables: tables from this size on have a file of their own"`
	// Jobs is the number of client processes at the same time; 0 stands for
	// the default, min(4, CPUs).
	Jobs int `option:"jobs" unset:"min(4, CPUs)" min:"1" max:"256" doc:"client processes at the same time"`
	// LockTimeout is how long to wait for a table that is locked; 0 for ever, as
	// pg_dump does: it hinders nobody, and no limit fits every maintenance job.
	LockTimeout     time.Duration `option:"lock_timeout" doc:"how long to wait for a locked table before the backup fails, like 5m; without limit otherwise"`
	ContinueOnError bool          `option:"continue_on_error" default:"false" doc:"keep the snapshot when some databases could not be dumped"`

	Reporting
}

// Gzip is the method of compression that every pg_dump has, unless it was built
// without. The others came with version 16.
// Source: https://www.postgresql.org/docs/16/release-16.html
const Gzip = "gzip"

// DecodeImport reads the settings of a logical importer.
func DecodeImport(settings map[string]string) (Import, error) {
	var o Import
	if err := decode(settings, &o); err != nil {
		return Import{}, err
	}
	err := o.complete()
	return o, err
}

// complete works out what the tags cannot say, and checks what the options make
// together.
func (o *Import) complete() error {
	if o.Jobs == 0 {
		o.Jobs = min(maxDefaultJobs, runtime.NumCPU())
	}
	switch o.Compress {
	case "false":
		o.Compress = ""
	case "true":
		o.Compress = Gzip
	}
	o.ExcludeDatabases = unquoteNames(o.ExcludeDatabases)
	return errors.Join(
		o.Connection.check(),
		exclusive("schema_only", o.SchemaOnly, "data_only", o.DataOnly),
		exclusive("schema_only", o.SchemaOnly, "exclude_table_data", len(o.ExcludeTableData) > 0),
		o.checkLayout(),
	)
}

// PerTable reports whether a database may be dumped into several files.
func (o *Import) PerTable() bool { return o.Layout == "tables" }

// SelectsPart reports whether the options leave out a part of the databases that are dumped.
func (o *Import) SelectsPart() bool {
	return o.SchemaOnly || o.DataOnly ||
		len(o.Schemas)+len(o.ExcludeSchemas)+len(o.Tables)+len(o.ExcludeTables)+len(o.ExcludeTableData) > 0
}

// checkLayout refuses what leaves nothing to divide, or is a selection already.
func (o *Import) checkLayout() error {
	if !o.PerTable() {
		return nil
	}
	var errs []error
	for _, other := range []struct {
		name  string
		given bool
	}{
		{"schema_only", o.SchemaOnly}, {"data_only", o.DataOnly},
		{"schemas", len(o.Schemas) > 0}, {"exclude_schemas", len(o.ExcludeSchemas) > 0},
		{"tables", len(o.Tables) > 0}, {"exclude_tables", len(o.ExcludeTables) > 0},
	} {
		if other.given {
			errs = append(errs, fmt.Errorf("options \"layout\" and %q: layout=tables divides whole databases: use layout=single for a part of one", other.name))
		}
	}
	return errors.Join(errs...)
}

// CheckSelection refuses patterns without the one database they apply to.
// database is the one that options and URI together select, "" for all.
func (o *Import) CheckSelection(database string) error {
	if database != "" {
		return nil
	}
	for _, p := range []struct {
		name     string
		patterns []string
	}{
		{"schemas", o.Schemas}, {"exclude_schemas", o.ExcludeSchemas},
		{"tables", o.Tables}, {"exclude_tables", o.ExcludeTables},
		{"exclude_table_data", o.ExcludeTableData},
	} {
		if len(p.patterns) > 0 {
			return fmt.Errorf("option %q: patterns apply to one database: select it with \"database\" or in the URI", p.name)
		}
	}
	return nil
}

// Summary lists the options that shape the content of the snapshot, for the
// manifest. It holds no connection option and so no secret.
func (o *Import) Summary() map[string]any {
	summary := map[string]any{
		"compress": cmp.Or(o.Compress, "none"), "schema_only": o.SchemaOnly, "data_only": o.DataOnly,
		"jobs": o.Jobs, "continue_on_error": o.ContinueOnError,
	}
	for name, list := range map[string][]string{
		"exclude_databases": o.ExcludeDatabases, "schemas": o.Schemas,
		"exclude_schemas": o.ExcludeSchemas, "tables": o.Tables,
		"exclude_tables": o.ExcludeTables, "exclude_table_data": o.ExcludeTableData,
	} {
		if len(list) > 0 {
			summary[name] = list
		}
	}
	if o.PerTable() {
		summary["layout"], summary["table_size"] = o.Layout, uint64(o.TableSize)
	}
	if o.LockTimeout > 0 {
		summary["lock_timeout"] = o.LockTimeout.String()
	}
	return summary
}

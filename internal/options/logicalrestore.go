package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Export holds the options of a logical restore.
type Export struct {
	Connection

	Databases []string `option:"databases" doc:"the databases to restore; all of the snapshot otherwise"`
	Clean     bool     `option:"clean" default:"false" doc:"drop each object before it is restored; the database must exist"`
	// Recreate is RecreateFalse, RecreateTrue, RecreateKeep or RecreateFirst.
	Recreate string `option:"recreate" default:"false" enum:"false|true|keep|first" doc:"restore each database beside the one that is there, and let it take its place when it is complete; keep: the old one is renamed, not dropped; first: it is dropped before; postgres and template1 are cleaned instead"`
	Force    bool   `option:"force" default:"false" doc:"with recreate: end the sessions that use a database, and drop its logical replication slots"`
	// Globals is GlobalsAll, GlobalsMissing or GlobalsNone.
	Globals      string `option:"globals" unset:"all, or missing with databases, schemas or tables" enum:"all|missing|none" doc:"roles and tablespaces: all as they were saved, only what is missing on the target, none"`
	NoGlobals    bool   `option:"no_globals" default:"false" doc:"the same as globals=none"`
	NoOwner      bool   `option:"no_owner" default:"false" doc:"objects belong to the user who restores"`
	NoPrivileges bool   `option:"no_privileges" default:"false" doc:"no GRANT and REVOKE"`
	// NoTablespaces leaves everything in the target's default tablespaces.
	NoTablespaces bool `option:"no_tablespaces" default:"false" doc:"no tablespaces are restored, everything goes into the target's default ones"`
	// Locale and LocaleProvider are those of databases that are created; "" for what they had.
	Locale         string   `option:"locale" doc:"the locale of databases that are created, where the target lacks that of the source"`
	LocaleProvider string   `option:"locale_provider" enum:"libc|icu|builtin" doc:"the locale provider of databases that are created; icu needs PostgreSQL 15, builtin 17, and both a locale"`
	SchemaOnly     bool     `option:"schema_only" default:"false" doc:"no rows"`
	DataOnly       bool     `option:"data_only" default:"false" doc:"rows only, into tables that are there"`
	Schemas        []string `option:"schemas" doc:"names or patterns of the schemas to restore, with what they need"`
	Tables         []string `option:"tables" doc:"names or patterns of the tables to restore, with what belongs to them and what they need"`
	// SearchPath are exact names.
	SearchPath  []string `option:"search_path" doc:"schemas in which functions find what they name without one, while rows are loaded and indexes built; pg_dump sets none"`
	Analyze     bool     `option:"analyze" default:"false" doc:"make the planner's statistics (ANALYZE) of what was restored"`
	ExitOnError bool     `option:"exit_on_error" default:"false" doc:"stop at the first error"`
	Jobs        int      `option:"jobs" default:"1" min:"1" max:"256" doc:"above 1: each dump waits in spool_dir and is restored with this many connections"`
	// SpoolDir is where dumps wait as files; "" is the system's temporary directory.
	SpoolDir string `option:"spool_dir" doc:"where dumps wait; the system's temporary directory otherwise"`

	Reporting
}

// What is restored of the roles and tablespaces.
const (
	GlobalsAll = "all"
	// GlobalsMissing changes nothing that is there. Of a part of a snapshot, only what the
	// part needs is created.
	GlobalsMissing = "missing"
	GlobalsNone    = "none"
)

// What happens to a database that is there.
const (
	RecreateFalse = "false"
	RecreateTrue  = "true" // it is dropped when the new one is complete
	RecreateKeep  = "keep" // it is renamed when the new one is complete
	// RecreateFirst drops it before anything is restored.
	RecreateFirst = "first"
)

// Recreates reports whether databases are replaced by new ones.
func (o *Export) Recreates() bool { return o.Recreate != "" && o.Recreate != RecreateFalse }

// Template0 is the database that new ones are made from, which has to stay as the server's
// installation made it.
const Template0 = "template0"

// DecodeExport reads the settings of a logical exporter.
func DecodeExport(settings map[string]string) (Export, error) {
	var o Export
	if err := decode(settings, &o); err != nil {
		return Export{}, err
	}
	err := o.complete()
	return o, err
}

func (o *Export) complete() error {
	o.Databases, o.SearchPath = unquoteNames(o.Databases), unquoteNames(o.SearchPath)
	slices.Sort(o.Databases)
	o.Databases = slices.Compact(o.Databases)
	return errors.Join(
		o.Connection.check(),
		exclusive("clean", o.Clean, "recreate", o.Recreates()),
		exclusive("schema_only", o.SchemaOnly, "data_only", o.DataOnly),
		exclusive("clean", o.Clean, "data_only", o.DataOnly),
		exclusive("schema_only", o.SchemaOnly, "analyze", o.Analyze), // no rows, no statistics
		exclusive("recreate", o.Recreates(), "data_only", o.DataOnly),
		// A database would be dropped, and a part of it restored.
		exclusive("recreate", o.Recreates(), "schemas", len(o.Schemas) > 0),
		exclusive("recreate", o.Recreates(), "tables", len(o.Tables) > 0),
		o.checkForce(),
		o.checkLocale(),
		o.completeGlobals(),
	)
}

// Selects reports whether the options leave only a part of a snapshot to be restored.
func (o *Export) Selects() bool { return len(o.Databases)+len(o.Schemas)+len(o.Tables) > 0 }

// Restricts reports whether only a part of each database is restored.
func (o *Export) Restricts() bool {
	return o.SchemaOnly || o.DataOnly || len(o.Schemas)+len(o.Tables) > 0
}

// completeGlobals works out Globals.
func (o *Export) completeGlobals() error {
	wanted := o.Globals == GlobalsAll || o.Globals == GlobalsMissing
	switch {
	case wanted && o.NoGlobals:
		return fmt.Errorf("options \"globals\" and \"no_globals\": globals=%s restores what no_globals=true leaves out: use one of them", o.Globals)
	case wanted && o.DataOnly:
		return fmt.Errorf("options \"globals\" and \"data_only\": globals=%s restores roles and tablespaces, data_only=true only rows: use one of them", o.Globals)
	case o.NoGlobals, o.DataOnly:
		o.Globals = GlobalsNone
	case o.Globals == "" && o.Selects():
		o.Globals = GlobalsMissing
	case o.Globals == "":
		o.Globals = GlobalsAll
	}
	return nil
}

// checkLocale refuses a provider without one of its locales.
func (o *Export) checkLocale() error {
	if o.Locale == "" && (o.LocaleProvider == "icu" || o.LocaleProvider == "builtin") {
		return fmt.Errorf("option \"locale_provider\": %s needs one of its own locales: give it with \"locale\"", o.LocaleProvider)
	}
	return nil
}

// checkForce refuses force where nothing is dropped.
func (o *Export) checkForce() error {
	if o.Force && !o.Recreates() {
		return errors.New("option \"force\": it ends the sessions that are in the way of \"recreate\": use both")
	}
	return nil
}

// CheckTarget refuses several dumps for one target database.
func (o *Export) CheckTarget(database string) error {
	if database == Template0 || database == "" && slices.Contains(o.Databases, Template0) {
		return fmt.Errorf("option %q: no restore touches template0: restore into another database", "database")
	}
	if database != "" && len(o.Databases) > 1 {
		return fmt.Errorf("option \"databases\": %s cannot all be restored into the one database %q: name one of them, or drop \"database\"",
			strings.Join(o.Databases, ", "), database)
	}
	return nil
}

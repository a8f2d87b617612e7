package pgtools

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// DumpArgs is pg_dump's argument list for one database in the custom format.
// connString holds no secret.
func DumpArgs(o *options.Import, connString string) []string {
	args := []string{"--format=custom", "--no-password", "--dbname=" + connString}
	switch o.Compress {
	case "":
		args = append(args, "--compress=0")
	case options.Gzip: // what the custom format does by itself
	default:
		args = append(args, "--compress="+o.Compress)
	}
	if o.SchemaOnly {
		args = append(args, "--schema-only")
	}
	if o.DataOnly {
		args = append(args, "--data-only")
	}
	if o.LockTimeout > 0 {
		args = append(args, fmt.Sprintf("--lock-wait-timeout=%dms", o.LockTimeout.Milliseconds()))
	}
	if len(o.Schemas)+len(o.Tables) > 0 {
		// Otherwise a pattern that matches nothing goes unnoticed beside one that does.
		args = append(args, "--strict-names")
	}
	args = appendFlags(args, "--schema=", o.Schemas)
	args = appendFlags(args, "--exclude-schema=", o.ExcludeSchemas)
	args = appendFlags(args, "--table=", o.Tables)
	args = appendFlags(args, "--exclude-table=", o.ExcludeTables)
	return appendFlags(args, "--exclude-table-data=", o.ExcludeTableData)
}

// Part is what one process dumps of a database that several dump together.
type Part struct {
	Section  string // of the database, as --section names it
	Snapshot string // that another session exported and holds
	// Table is the one table to dump, Without are those to leave out; see Pattern.
	Table   string
	Without []string
	Empty   bool // an archive with nothing in it
	// Encoding is that of Only and Without, whatever the user's patterns are in.
	Encoding string
	// LockTimeout is the longest, whatever the user allows: what the process has to
	// wait for waits for the holder of the snapshot.
	LockTimeout time.Duration
}

// PartArgs is pg_dump's argument list for a part of a database.
func PartArgs(o *options.Import, p Part, connString string) []string {
	all := *o
	if all.LockTimeout == 0 || all.LockTimeout > p.LockTimeout {
		all.LockTimeout = p.LockTimeout
	}
	args := append(DumpArgs(&all, connString), "--section="+p.Section, "--snapshot="+p.Snapshot)
	if p.Empty {
		// The section of the data, less the data; and no table, so that none is locked.
		args = append(args, "--schema-only", "--exclude-table=*.*")
	}
	if p.Table != "" {
		args = append(args, "--table="+p.Table)
	}
	if !isASCII(p.Table + strings.Join(p.Without, "")) {
		args = append(args, "--encoding="+p.Encoding)
	}
	return appendFlags(args, "--exclude-table=", p.Without)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// statisticsSince is the first major version whose tools save and restore the statistics
// that the planner uses. pg_dump does so only when it is told to, pg_restore by itself.
// Source: https://www.postgresql.org/docs/18/app-pgdump.html, tried with 18.6
const statisticsSince = 18

// StatisticsArgs lets pg_dump save the planner's statistics, nil where it cannot. They hold
// values of rows, so that they are left out where rows are.
func StatisticsArgs(o *options.Import, toolsMajor int) []string {
	if toolsMajor < statisticsSince || o.SchemaOnly || o.DataOnly || len(o.ExcludeTableData) > 0 {
		return nil
	}
	return []string{"--statistics"}
}

// TakesStatistics reports whether a server understands the statements of an archive that
// restore statistics.
func TakesStatistics(serverMajor int) bool { return serverMajor >= statisticsSince }

// Pattern is the pattern that matches one table only, whatever its name.
// Source: https://www.postgresql.org/docs/18/app-psql.html#APP-PSQL-PATTERNS
func Pattern(schema, table string) string {
	quote := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	return quote(schema) + "." + quote(table)
}

// GlobalsArgs is pg_dumpall's argument list for roles and tablespaces.
func GlobalsArgs(connString string, passwords bool) []string {
	// --database takes a connection string as well: for every name it is the safe way.
	args := []string{"--globals-only", "--no-password", "--database=" + connString}
	if !passwords {
		args = append(args, "--no-role-passwords")
	}
	return args
}

// Restore says what pg_restore shall do beyond the user's options.
type Restore struct {
	Clean        bool   // drop each object before it is created
	Filled       bool   // the database has tables already
	List         string // file with the entries to restore; "" for all
	File         string // the archive; "" is standard input
	Jobs         int    // above 1 only with a File
	Refresh      bool   // materialized views, also with data_only, to which that is no data
	IgnoreErrors bool   // past errors, whatever exit_on_error says: see SetsUnknownTimeout
}

// SetsUnknownTimeout reports whether pg_restore's first statement fails on the server:
// from version 17 on it is SET transaction_timeout, which older servers do not have.
// Source: _doSetFixedOutputState in src/bin/pg_dump/pg_backup_archiver.c
func SetsUnknownTimeout(toolsMajor, serverMajor int) bool {
	const since = 17
	return toolsMajor >= since && serverMajor < since
}

// RestoreArgs is pg_restore's argument list. connString names the database to
// restore into.
func RestoreArgs(o *options.Export, r Restore, connString string) []string {
	args := []string{"--no-password", "--dbname=" + connString}
	for _, flag := range []struct {
		given bool
		name  string
	}{
		{r.Clean, "--clean"},
		{r.Clean, "--if-exists"},
		{o.NoOwner, "--no-owner"},
		{o.NoPrivileges, "--no-privileges"},
		{o.NoTablespaces, "--no-tablespaces"},
		{o.SchemaOnly, "--schema-only"},
		{o.DataOnly && !r.Refresh, "--data-only"},
		{o.ExitOnError && !r.IgnoreErrors, "--exit-on-error"},
		// The rows of a table that is there already would be added to its own. But
		// pg_restore also takes one for failed whose owner could not be set.
		{r.Filled && !o.DataOnly && !o.SchemaOnly, "--no-data-for-failed-tables"},
	} {
		if flag.given {
			args = append(args, flag.name)
		}
	}
	if r.List != "" {
		args = append(args, "--use-list="+r.List)
	}
	if r.File == "" {
		return append(args, "--format=custom")
	}
	if r.Jobs > 1 {
		args = append(args, "--jobs="+strconv.Itoa(r.Jobs))
	}
	return append(args, "--format=custom", r.File)
}

func appendFlags(args []string, flag string, values []string) []string {
	for _, v := range values {
		args = append(args, flag+v)
	}
	return args
}

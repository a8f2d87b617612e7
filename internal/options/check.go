package options

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Check holds the options of a proof that a snapshot can be restored.
type Check struct {
	// Location is the directory below which everything is made; see Directory.
	Location string `option:"location" doc:"a directory with room for the cluster, below which a scratch server is made and removed again: postgres+check:///absolute/path, postgres+check://./relative or postgres+check://../relative"`
	// Level is LevelStart, LevelRead or LevelAmcheck.
	Level string `option:"level" default:"read" enum:"start|read|amcheck" doc:"start: the server accepts connections; read: every row of every table is read once, and counted; amcheck: also pg_amcheck --heapallindexed"`
	// Owner is "user[:group]", names or numbers, of the scratch server.
	Owner string `option:"owner" unset:"as root postgres, else who runs it" doc:"user[:group], names or numbers, that the scratch server runs as, with whose rights the snapshot's SQL can run; must be given where a server of the default user is running"`
	// Databases are those to look into; all that accept connections if it is empty.
	Databases []string `option:"databases" doc:"the databases to look into; all that accept connections otherwise"`
	// Jobs is how many databases are looked into at the same time.
	Jobs int `option:"jobs" unset:"min(4, CPUs)" min:"1" max:"256" doc:"databases that are read at the same time"`
	// PgBinDir is the directory with the server's programs and the client tools.
	PgBinDir string `option:"pg_bin_dir" doc:"directory with the programs of the PostgreSQL server and its client tools; otherwise those of the snapshot's version are looked for"`
	// Timeout is for everything; 0 for no limit.
	Timeout time.Duration `option:"timeout" doc:"how long everything may take, like 4h; without limit otherwise"`
	// Report is a file for the result; "" for none.
	Report string `option:"report" doc:"file for the result as JSON, of which only a complete one takes the place of an older one"`
	// Prepare leaves a base backup for the WAL that comes with another restore.
	Prepare        bool `option:"prepare" default:"false" doc:"restore a base backup and leave it there without starting it: a restore of WAL to the same destination goes on from there, and removes everything in the end"`
	RecoveryTarget `refuse:"target_action=the scratch server is promoted at the target, to be looked at"`
	// Keep leaves the server running.
	Keep bool `option:"keep" default:"false" doc:"leave the scratch server running, and say how to connect and how to remove it"`
	// Tables are what Dump gets; see DumpTables.
	Tables []string `option:"tables" doc:"tables to dump out of the scratch server: database.schema.table, where schema and table are names or patterns as for pg_dump; all of one database"`
	// Dump is the file for them.
	Dump string `option:"dump" doc:"file for the dump of tables, which pg_restore reads: pg_dump -Fc; it must not exist"`
}

// What a proof does.
const (
	LevelStart   = "start"
	LevelRead    = "read"
	LevelAmcheck = "amcheck"
)

// DecodeCheck reads the settings of a proof.
func DecodeCheck(settings map[string]string) (Check, error) {
	var o Check
	if err := decode(settings, &o); err != nil {
		return Check{}, err
	}
	if o.Jobs == 0 {
		o.Jobs = min(maxDefaultJobs, runtime.NumCPU())
	}
	o.Databases = unquoteNames(o.Databases)
	slices.Sort(o.Databases)
	o.Databases = slices.Compact(o.Databases)
	_, err := o.Directory()
	if o.Level == LevelStart && len(o.Databases) > 0 {
		err = errors.Join(err, errors.New("options \"level\" and \"databases\": level=start looks into no database: use level=read or level=amcheck"))
	}
	_, _, errTables := o.DumpTables()
	return o, errors.Join(err, errTables, o.RecoveryTarget.check(), o.checkPrepare())
}

// checkPrepare refuses what is for the restore of WAL that follows.
func (o *Check) checkPrepare() error {
	var given []string
	for _, other := range slices.Concat(o.needsWAL(), []optionValue{
		{"target", o.Target}, {"databases", strings.Join(o.Databases, ",")}, {"tables", strings.Join(o.Tables, ",")}, {"dump", o.Dump},
	}) {
		if other.value != "" {
			given = append(given, other.name)
		}
	}
	if o.Keep {
		given = append(given, "keep")
	}
	if !o.Prepare || len(given) == 0 {
		return nil
	}
	return fmt.Errorf("option \"prepare\": no server is started yet: give %s with the restore of WAL that follows", strings.Join(given, ", "))
}

// DumpTables returns the database and the patterns that Tables name; nothing if it is empty.
func (o *Check) DumpTables() (database string, patterns []string, err error) {
	if (len(o.Tables) > 0) != (o.Dump != "") {
		return "", nil, errors.New("options \"tables\" and \"dump\": tables names what is dumped, dump the file for it: use both")
	}
	for _, item := range o.Tables {
		parts := splitDots(item)
		if len(parts) != 3 || slices.Contains(parts, "") {
			return "", nil, invalidValue(Field{Name: "tables"}, item, `database.schema.table, with double quotes around a name with a dot, like shop.public.orders or "my.shop".public."Orders"`)
		}
		name := unquoteNames(parts[:1])[0]
		if len(patterns) > 0 && name != database {
			return "", nil, fmt.Errorf("option \"tables\": %q and %q are two databases: a dump is of one", database, name)
		}
		database, patterns = name, append(patterns, parts[1]+"."+parts[2])
	}
	return database, patterns, nil
}

// splitDots splits at the dots that are not between double quotes.
func splitDots(text string) []string {
	var parts []string
	quoted, start := false, 0
	for n := range len(text) {
		switch {
		case text[n] == '"':
			quoted = !quoted
		case text[n] == '.' && !quoted:
			parts, start = append(parts, text[start:n]), n+1
		}
	}
	return append(parts, text[start:])
}

// Directory is the directory that Location names: absolute, or beginning with "./" or
// "../", which is relative to where plakar runs.
func (o *Check) Directory() (string, error) { return directory("postgres+check", o.Location) }

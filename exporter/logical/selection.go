package logical

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// accept decides whether the dump of database at pathname, which is a directory for a
// parted one, is to be restored. One that is not is acknowledged.
func (e *Exporter) accept(database, pathname string, ack func(error)) (wanted bool, err error) {
	if other, there := e.arrived[database]; there && other != pathname {
		ack(fmt.Errorf("%s and %s are both dumps of database %q: the second one is left out", other, pathname, database))
		return false, nil
	}
	_, again := e.arrived[database]
	e.arrived[database] = pathname
	if !e.selects(database) {
		ack(nil)
		return false, nil
	}
	target := e.info.Database()
	if target == "" && database == options.Template0 {
		if !again {
			slog.Warn("the snapshot has a dump of template0, which no restore touches: it is left out")
		}
		ack(nil)
		return false, nil
	}
	if target != "" && len(e.options.Databases) == 0 && len(e.arrived) > 1 {
		return false, fmt.Errorf("the snapshot has several dumps (%s), which cannot all go into the one database %q: nothing was restored\nhint: choose one with databases=NAME, or leave \"database\" out",
			strings.Join(slices.Sorted(maps.Keys(e.arrived)), ", "), target)
	}
	return true, nil
}

// selects reports whether the options leave something of the database.
func (e *Exporter) selects(database string) bool {
	return len(e.options.Databases) == 0 || slices.Contains(e.options.Databases, database)
}

// targetAmbiguous reports whether there may yet be more dumps than the one that the
// target database can take.
func (e *Exporter) targetAmbiguous() bool {
	return e.info.Database() != "" && len(e.options.Databases) != 1
}

// targetOf is the database that a dump of database goes into.
func (e *Exporter) targetOf(database string) string {
	if target := e.info.Database(); target != "" {
		return target
	}
	return database
}

// relations are the kinds of entries that the option tables is about.
// Source: _tocEntryRequired in src/bin/pg_dump/pg_backup_archiver.c
var relations = []string{
	"TABLE", "TABLE DATA", "VIEW", "FOREIGN TABLE", "MATERIALIZED VIEW", "MATERIALIZED VIEW DATA", "SEQUENCE", "SEQUENCE SET",
}

// named reports whether an entry is in one of the schemas, and one of the tables, as far
// as there are any.
func named(e *dumparchive.Entry, schemas, tables []string) bool {
	if len(schemas) > 0 && !slices.Contains(schemas, e.Namespace) {
		return false
	}
	return len(tables) == 0 || slices.Contains(relations, e.Desc) && slices.Contains(tables, e.Tag)
}

// selection is what the options leave of a parted dump. pg_restore's --strict-names cannot
// tell: a name need not be in every part.
type selection struct {
	matched bool            // something of a part
	skipped bool            // a part as a whole
	found   map[string]bool // names, as optionValue puts them
}

// optionValue is how messages put a name in an option.
func optionValue(option, name string) string { return fmt.Sprintf("option %q: %q", option, name) }

// selectFrom reports whether the options leave something of the part to be restored. The
// definitions are needed in any case, and have to have all that the options name.
func (e *Exporter) selectFrom(d *partedDump, section recordname.Section, a *archive) (wanted bool, err error) {
	if err := a.readTOC(); err != nil {
		return false, err
	}
	some := e.noteNames(d, a)
	if section == recordname.PreData {
		if err := e.missingNames(d); err != nil {
			d.blocked = errors.New("left out as well")
			return false, err
		}
	}
	some = some && (section == recordname.Data || !e.options.DataOnly)
	d.selection.matched = d.selection.matched || some
	d.selection.skipped = d.selection.skipped || !some
	return some || section == recordname.PreData, nil
}

// noteNames reports whether the part has something of what the options name, and notes
// the names that it has.
func (e *Exporter) noteNames(d *partedDump, a *archive) (some bool) {
	o := &e.options
	if len(o.Schemas)+len(o.Tables) == 0 {
		return true
	}
	for n := range a.toc.Entries {
		entry := &a.toc.Entries[n]
		if slices.Contains(o.Schemas, entry.Namespace) {
			d.selection.found[optionValue("schemas", entry.Namespace)] = true
		}
		if named(entry, o.Schemas, o.Tables) {
			some = true
			d.selection.found[optionValue("tables", entry.Tag)] = true
		}
	}
	return some
}

// missingNames refuses what the options name and no part has.
func (e *Exporter) missingNames(d *partedDump) error {
	var errs []error
	for option, names := range map[string][]string{"schemas": e.options.Schemas, "tables": e.options.Tables} {
		for _, name := range names {
			if value := optionValue(option, name); !d.selection.found[value] {
				errs = append(errs, fmt.Errorf("%s is not in what was to be restored", value))
			}
		}
	}
	return errors.Join(errs...)
}

// checkSelection reports what the options name and no part had, and that they left
// nothing of what plakar was asked to restore.
func (e *Exporter) checkSelection(d *partedDump) error {
	switch preData := path.Clean(recordname.PreDataFile(d.path)); {
	case !d.selection.matched && !d.selection.skipped: // no part could be looked at, as was reported
		return nil
	case !d.has(preData) && e.missingNames(d) != nil:
		return e.missingNames(d)
	case d.selection.matched || e.isComplete(d):
		return nil
	}
	return errors.New("nothing was restored: schema_only, data_only, schemas or tables leave nothing of what was asked for")
}

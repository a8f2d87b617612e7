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
	if !selects(&e.options, database) {
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
func selects(o *options.Export, database string) bool {
	return len(o.Databases) == 0 || slices.Contains(o.Databases, database)
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
	options *options.Export
	matched bool            // something of a part
	skipped bool            // a part as a whole
	found   map[string]bool // names, as optionValue puts them
}

// optionValue is how messages put a name in an option.
func optionValue(option, name string) string { return fmt.Sprintf("option %q: %q", option, name) }

// selectFrom reports whether the options leave something of the part to be restored. The
// definitions are needed in any case, and have to have all that the options name.
func (d *partedDump) selectFrom(p *part) (wanted bool, err error) {
	if err := p.readTOC(); err != nil {
		return false, err
	}
	some := d.selection.note(p.toc)
	if p.section == recordname.PreData {
		if err := d.selection.missing(); err != nil {
			d.blocked = errors.New("left out as well")
			return false, err
		}
	}
	some = some && (p.section == recordname.Data || !d.options.DataOnly)
	d.selection.matched = d.selection.matched || some
	d.selection.skipped = d.selection.skipped || !some
	return some || p.section == recordname.PreData, nil
}

// note reports whether a part has something of what the options name, and notes the names
// that it has.
func (s *selection) note(toc *dumparchive.TOC) (some bool) {
	o := s.options
	if len(o.Schemas)+len(o.Tables) == 0 {
		return true
	}
	for n := range toc.Entries {
		entry := &toc.Entries[n]
		if slices.Contains(o.Schemas, entry.Namespace) {
			s.found[optionValue("schemas", entry.Namespace)] = true
		}
		if named(entry, o.Schemas, o.Tables) {
			some = true
			s.found[optionValue("tables", entry.Tag)] = true
		}
	}
	return some
}

// missing refuses what the options name and no part has.
func (s *selection) missing() error {
	var errs []error
	check := func(option string, names []string) {
		for _, name := range names {
			if value := optionValue(option, name); !s.found[value] {
				errs = append(errs, fmt.Errorf("%s is not in what was to be restored", value))
			}
		}
	}
	check("schemas", s.options.Schemas)
	check("tables", s.options.Tables)
	return errors.Join(errs...)
}

// checkSelection reports what the options name and no part had, and that they left
// nothing of what plakar was asked to restore.
func (d *partedDump) checkSelection() error {
	switch preData := path.Clean(recordname.PreDataFile(d.path)); {
	case !d.selection.matched && !d.selection.skipped: // no part could be looked at, as was reported
		return nil
	case !d.has(preData) && d.selection.missing() != nil:
		return d.selection.missing()
	case d.selection.matched || d.isComplete():
		return nil
	}
	return errors.New("nothing was restored: schema_only, data_only, schemas or tables leave nothing of what was asked for")
}

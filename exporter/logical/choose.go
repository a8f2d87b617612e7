package logical

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// choice is what the options leave of a dump in parts. pg_restore's --strict-names
// cannot tell: a name need not be in every part.
type choice struct {
	taken bool            // something of a part
	left  bool            // a part as a whole
	found map[string]bool // names, as missingNames puts them
}

// choose reports whether the options leave something of the part to be restored. The
// definitions are needed in any case, and have to have all that the options name.
func (e *Exporter) choose(ctx context.Context, f *folder, section recordname.Section, a *archive) (wanted bool, err error) {
	some, err := e.findNames(ctx, f, a)
	if err == nil && section == recordname.PreData {
		if err = e.missingNames(f); err != nil {
			f.blocked = errors.New("left out as well")
		}
	}
	if err != nil {
		return false, err
	}
	some = some && (section == recordname.Data || !e.options.DataOnly)
	f.choice.taken = f.choice.taken || some
	f.choice.left = f.choice.left || !some
	return some || section == recordname.PreData, nil
}

// findNames reports whether the part has something of what the options name, and notes
// the names that it has.
func (e *Exporter) findNames(ctx context.Context, f *folder, a *archive) (some bool, err error) {
	o := &e.options
	if len(o.Schemas)+len(o.Tables) == 0 {
		return true, nil
	}
	tools, err := e.toolsFor(ctx, a)
	if err != nil {
		return false, err
	}
	if some, err = e.contains(ctx, a, tools, o.Schemas, o.Tables); err != nil {
		return false, err
	}
	note := func(what, name string, schemas, tables []string) error {
		if f.choice.found[named(what, name)] {
			return nil
		}
		there, err := e.contains(ctx, a, tools, schemas, tables)
		f.choice.found[named(what, name)] = there
		return err
	}
	for _, name := range o.Schemas {
		if err := note("schemas", name, []string{name}, nil); err != nil {
			return false, err
		}
	}
	for _, name := range o.Tables {
		if err := note("tables", name, o.Schemas, []string{name}); err != nil {
			return false, err
		}
	}
	return some, nil
}

// named is how messages put a name in an option.
func named(option, name string) string { return fmt.Sprintf("option %q: %q", option, name) }

// contains reports whether the archive has something in the schemas, or of the tables in them.
func (e *Exporter) contains(ctx context.Context, a *archive, tools pgtools.Installation, schemas, tables []string) (bool, error) {
	listed, err := e.peek(ctx, a, tools, pgtools.ListArgs(schemas, tables)...)
	for line := range strings.Lines(listed) {
		if line != "\n" && !strings.HasPrefix(line, ";") {
			return true, err
		}
	}
	return false, err
}

// missingNames refuses what the options name and no part has.
func (e *Exporter) missingNames(f *folder) error {
	var errs []error
	miss := func(option string, names []string) {
		for _, name := range names {
			if what := named(option, name); !f.choice.found[what] {
				errs = append(errs, fmt.Errorf("%s is not in what was to be restored", what))
			}
		}
	}
	miss("schemas", e.options.Schemas)
	miss("tables", e.options.Tables)
	return errors.Join(errs...)
}

// checkChoice reports what the options name and no part had, and that they left
// nothing of what plakar was asked to restore.
func (e *Exporter) checkChoice(f *folder) error {
	switch definitions := path.Clean(recordname.PreDataFile(f.path)); {
	case !f.choice.taken && !f.choice.left: // no part could be looked at, as was reported
		return nil
	case !f.has(definitions) && e.missingNames(f) != nil:
		return e.missingNames(f)
	case f.choice.taken || e.whole(f):
		return nil
	}
	return errors.New("nothing was restored: schema_only, data_only, schemas or tables leave nothing of what was asked for")
}

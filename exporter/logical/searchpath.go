package logical

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/target"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
)

// changeSearchPath gives the archive the search_path of the options, once. It reports
// whether there is something to be written.
func (r *runner) changeSearchPath(ctx context.Context, a *archive) (bool, error) {
	if len(r.options.SearchPath) == 0 || a.pathChanged || a.toc == nil {
		return false, nil
	}
	schemas, err := target.Encode(ctx, r.server, r.options.SearchPath, a.toc)
	if err != nil {
		return false, fmt.Errorf("option \"search_path\": %w", err)
	}
	a.pathChanged = true
	return a.toc.SetSearchPath(schemas...), nil
}

// writeSearchPath makes it a part of the archive.
func (r *runner) writeSearchPath(ctx context.Context, a *archive) error {
	if changed, err := r.changeSearchPath(ctx, a); err != nil || !changed {
		return err
	}
	return a.rewrite(r.files)
}

// checkSearchPath refuses schemas that are neither in the dump nor in the database.
func (r *restorer) checkSearchPath(ctx context.Context, dump target.Dump) error {
	if len(r.options.SearchPath) == 0 {
		return nil
	}
	tocs, err := target.InUTF8(ctx, r.server, []*dumparchive.TOC{dump.TOC})
	if err != nil {
		return fmt.Errorf("option \"search_path\": %w", err)
	}
	known := func(name string) bool {
		return slices.Contains([]string{"public", "pg_catalog", "$user"}, name) ||
			slices.ContainsFunc(tocs[0].Entries, func(e dumparchive.Entry) bool { return e.Desc == "SCHEMA" && e.Tag == name || e.Namespace == name })
	}
	unknown := slices.DeleteFunc(slices.Clone(r.options.SearchPath), known)
	if len(unknown) == 0 {
		return nil
	}
	name, exists, err := target.Locate(ctx, r.server, &r.options, dump, r.info.Database())
	if err != nil {
		return err
	}
	objects := target.NewDatabase()
	if exists {
		if objects, err = target.ReadObjects(ctx, r.server, name, tocs); err != nil {
			return err
		}
	}
	for _, schema := range unknown {
		if !objects.Has(selection.Object{Kind: "SCHEMA", Name: schema}) {
			return fmt.Errorf("option \"search_path\": there is no schema %q, neither in the dump nor in the database: nothing was touched", schema)
		}
	}
	return nil
}

// lookup is a name that a function looked for in vain.
type lookup struct {
	name     string // "function unaccent(text)"
	function string // that looked for it
	index    bool   // for an index or a materialized view
}

var (
	// lookedFor are errors of a name without a schema.
	lookedFor = regexp.MustCompile(`ERROR:  ((?:function|procedure) [^.(]+\(.*\)|(?:relation|type|text search \w+|collation) "[^.]+"|operator)(?: does not exist)`)
	// lookedForBy are the contexts of such an error.
	lookedForBy = regexp.MustCompile(`(?:PL/\w+|SQL) function (.+?)(?: line \d.*| during .*| statement \d.*| while .*)?$`)
	// builds are statements that the server runs with a search_path of its own from 17 on.
	builds = regexp.MustCompile(`^Command was: (CREATE (UNIQUE )?INDEX|REFRESH MATERIALIZED VIEW|CREATE MATERIALIZED VIEW)`)
)

// noteLookup remembers what a function did not find. The messages are the server's, which
// may speak another language: then there is no more than these.
func (l *restoreLog) noteLookup(line string) {
	if strings.Contains(line, "ERROR:  ") {
		l.lookup = lookup{}
		if m := lookedFor.FindStringSubmatch(line); m != nil {
			l.lookup.name = m[1]
		}
	}
	if l.lookup.name == "" {
		return
	}
	if m := lookedForBy.FindStringSubmatch(line); m != nil && l.lookup.function == "" {
		l.lookup.function = strings.Trim(m[1], `"`)
		l.missing = append(l.missing, l.lookup)
	}
	if n := len(l.missing) - 1; n >= 0 && builds.MatchString(line) {
		l.missing[n].index = true
	}
}

// searchPathOfBuilds is the first major version that builds indexes and materialized views
// with a search_path of its own.
// Source: https://www.postgresql.org/docs/17/release-17.html
const searchPathOfBuilds = 17

// explainMissing says what helps against names that functions did not find.
func (r *runner) explainMissing(err error, log *restoreLog) error {
	var rows, builds bool
	var function string
	for _, m := range log.missing {
		if m.index && r.server.Major >= searchPathOfBuilds {
			builds, function = true, m.function
		} else {
			rows = true
		}
	}
	if rows {
		was := "none is set"
		if len(r.options.SearchPath) > 0 {
			was = "search_path=" + strings.Join(r.options.SearchPath, ",") + " does not find it"
		}
		err = fmt.Errorf("%w\nhint: a function names %s without its schema, and while a dump is restored %s: the option search_path names schemas to look in, like search_path=public; a trusted dump only, see docs/restore.md", err, log.missing[0].name, was)
	}
	if builds {
		err = errors.Join(err, fmt.Errorf("hint: from PostgreSQL 17 on, indexes and materialized views are built with a search_path of pg_catalog alone, which no option changes: ALTER FUNCTION %s SET search_path = public, or where else the name is, at the source or after this restore, and build them then", function))
	}
	return err
}

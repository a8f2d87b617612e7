package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
)

// object is an entry of a dump's table of contents, whatever its number there.
type object struct{ kind, schema, name string }

func (o object) String() string {
	if o.schema == "" {
		return plain(o.kind + " " + o.name)
	}
	return plain(o.kind + " " + o.schema + "." + o.name)
}

// contents is what the dump of a database holds, or all parts of it.
type contents struct {
	rows         map[relation]int64
	objects      map[object]int // how many there are of the same name
	largeObjects int64
	tools        int // major version of the pg_dump that made it
}

// sameEverywhere are the kinds of entries that every version of pg_dump makes alike.
var sameEverywhere = []string{
	"TABLE", tableData, "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX", "FK CONSTRAINT", "CHECK CONSTRAINT", "CONSTRAINT", "TRIGGER",
	"RULE", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN", "EXTENSION", "POLICY", "EVENT TRIGGER", "FOREIGN TABLE",
	"SERVER", "FOREIGN DATA WRAPPER", "CAST", "COLLATION", "OPERATOR", "OPERATOR CLASS", "DEFAULT", "STATISTICS", "PUBLICATION",
}

// notCompared are the kinds that belong to the archive or to the database itself, and those
// of large objects, which are counted.
var notCompared = []string{
	dumparchive.Encoding, dumparchive.StdStrings, dumparchive.SearchPath, "DATABASE", "DATABASE PROPERTIES",
	"BLOB", "BLOBS", "BLOB METADATA", "STATISTICS DATA",
}

// objectsOf lists the entries that are compared.
func objectsOf(toc *dumparchive.TOC) map[object]int {
	all := make(map[object]int)
	for _, e := range toc.Entries {
		// Schema public is there in every new database.
		if slices.Contains(notCompared, e.Desc) || strings.HasPrefix(e.Tag, "DATABASE ") || strings.HasPrefix(e.Tag, "LARGE OBJECT") ||
			e.Tag == "public" && e.Desc == "SCHEMA" || e.Tag == "SCHEMA public" {
			continue
		}
		all[object{e.Desc, e.Namespace, e.Tag}]++
	}
	return all
}

func toolsOf(toc *dumparchive.TOC) int {
	major, _ := pgversion.Major(toc.Header.DumpVersion)
	return major
}

// expect notes what a dump, or a part of one, holds.
func (l *logicalWay) expect(database string, found *content) {
	e := l.expected[database]
	if e == nil {
		e = &contents{rows: make(map[relation]int64), objects: make(map[object]int)}
		l.expected[database] = e
	}
	for o, n := range objectsOf(found.toc) {
		e.objects[o] = max(e.objects[o], n) // sequences are in several parts
	}
	for r, n := range found.rows {
		e.rows[r] += n
	}
	e.largeObjects += found.largeObjects
	e.tools = toolsOf(found.toc)
}

// mayHold reports whether there are the rows of a table, if one is named; a name that is not in ASCII can be in
// another encoding.
func (c *content) mayHold(r relation) bool {
	if r.name == "" || strings.ContainsFunc(r.schema+r.name, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return true
	}
	return slices.ContainsFunc(c.toc.Entries, func(e dumparchive.Entry) bool {
		return e.Desc == tableData && e.Namespace == r.schema && e.Tag == r.name
	})
}

// maxMissing is how many names a problem has.
const maxMissing = 10

// compare compares what is in a database with what its dump holds.
func (l *logicalWay) compare(_ context.Context, database string, found *content, d *Database) error {
	estimates(l.report.document, d)
	e := l.expected[database]
	if e == nil {
		return nil
	}
	var errs []error
	byName := make(map[relation]*int64)
	for r, want := range e.rows {
		byName[found.named(r)] = &want
	}
	for n := range d.Tables {
		t := &d.Tables[n]
		t.Expected = byName[relation{t.Schema, t.Name}]
	}
	var wrong []string
	for r, want := range e.rows {
		if got, read := found.rows[r]; !read {
			wrong = append(wrong, fmt.Sprintf("the rows of %s are not there", found.named(r)))
		} else if got != want {
			wrong = append(wrong, fmt.Sprintf("%s has %d rows, its dump holds %d", found.named(r), got, want))
		}
	}
	errs = append(errs, named(database, "", wrong))
	if found.largeObjects < e.largeObjects {
		errs = append(errs, fmt.Errorf("database %q has %d large objects, its dump holds %d", plain(database), found.largeObjects, e.largeObjects))
	}
	if found.toc == nil {
		return errors.Join(errs...) // why is a problem already
	}
	return errors.Join(append(errs, named(database, "these are in the dump and not in the database: ", e.missing(found.toc)))...)
}

// missing lists what should be there.
func (e *contents) missing(toc *dumparchive.TOC) []string {
	there := objectsOf(toc)
	var missing []string
	for o, n := range e.objects {
		if toolsOf(toc) != e.tools && !slices.Contains(sameEverywhere, o.kind) {
			continue
		}
		if there[o] >= n {
			continue
		}
		text := o.String()
		if o.kind == "EXTENSION" {
			text += packageHint(o.name, toolsOf(toc))
		}
		missing = append(missing, text)
	}
	return missing
}

// named is an error that names some of what is wrong with a database; nil for nothing.
func named(database, what string, wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	if more := len(wrong) - maxMissing; more > 0 {
		wrong = append(wrong[:maxMissing], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("database %q: %s%s", plain(database), what, strings.Join(wrong, ", "))
}

package selection

import (
	"fmt"
	"io"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// Object names an object as an entry does.
type Object struct {
	// Kind is Entry.Desc: "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE" and "FOREIGN
	// TABLE" are relations; "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "AGGREGATE",
	// "SCHEMA", "EXTENSION", "PUBLICATION" and others.
	Kind   string
	Schema string // empty: in none
	// Name is Entry.Tag. A function's has the types of its arguments, as
	// proname || '(' || oidvectortypes(proargtypes) || ')' gives them with an empty
	// search_path; that of an aggregate without arguments ends in "(*)". An operator's
	// has no types.
	Name string
}

// String returns the object for messages: TABLE public.orders.
func (o Object) String() string {
	if o.Schema == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Schema + "." + o.Name
}

// Request says what to choose.
type Request struct {
	// Tables and Schemas are names, or patterns as pg_dump takes them: "orders",
	// "app.ord*", `"Odd name".t?`. A name without a schema is looked for in all schemas.
	// A relation of any kind is a table here, as with pg_dump -t. The database that was
	// dumped may come before: "shop.app.orders".
	Tables, Schemas []string

	// Exists reports whether the target has an object. It is asked at most once for each
	// that matters, for a relation of one kind also when the target has one of another.
	// nil: the target is empty.
	Exists func(Object) bool

	// Clean is for a restore that drops what it restores (pg_restore --clean --if-exists):
	// chosen objects are in the list even if the target has them. Without it only
	// relations are; see Result.Existing. A schema is never made again.
	Clean bool

	// NoRows is for a restore of definitions alone, Empties for one that drops the tables which it
	// restores before their rows come: those of the target are no rows that a key could refer to.
	NoRows, Empties bool

	// Fill is for a restore of rows into tables that the target has. Without it the rows of
	// a table that an archive has no definition of, since an extension makes it, are for one
	// that the target lacks; see Result.LeftAlone.
	Fill bool

	// MadeBy returns the extension that made a schema, empty for none. nil: that is not
	// known.
	MadeBy func(schema string) string

	// MembersOf returns the extensions that have an object of a name which something in the
	// database refers to; none: that is not known. nil: it is of no name.
	MembersOf func(schema, name string) (extensions []string)
}

// Result is a closed selection.
type Result struct {
	// Lists are dump IDs for each archive, in its order.
	Lists [][]int

	Chosen []Object // relations that come with their rows, partitions included
	Needed []Object // what else comes along because something needs it

	ForeignKeys []ForeignKey // left out
	Memberships []Membership // left out
	Detached    []Object     // partitions that cannot be attached: of Whole only

	// Unmatched are the elements of Tables and Schemas that match nothing.
	Unmatched []string
	// Existing are chosen relations that the target has. pg_restore fails on them unless
	// it drops them or restores rows only.
	Existing []Object
	// LeftAlone are relations of extensions that the target has: their rows are left out,
	// as nothing drops such a relation, and the extension may have filled it.
	LeftAlone []Object
	// Unfilled are chosen materialized views that are refreshed from relations whose rows
	// do not come along: they may come out empty.
	Unfilled []Object
	// MissingSchemas are schemas of what is restored that neither the target nor the
	// archives have: pg_dump -t writes none.
	MissingSchemas []string
	// LargeObjects says that the archives have large objects, which a selection never
	// brings along.
	LargeObjects bool
}

// ForeignKey is one that was left out: the rows it refers to are neither in the selection
// nor on the target.
type ForeignKey struct {
	Name       string
	Table      Object // whose constraint it is
	References Object
}

// Membership is a table or schema in a publication that the target does not have.
type Membership struct {
	Publication string
	Object      Object
}

// Select computes the closed selection out of one archive, or out of all archives of one
// database's dump in parts. An error means that a pattern is not valid, and begins with the option.
func Select(archives []*dumparchive.TOC, request Request) (*Result, error) {
	g := newGraph(archives)
	w := newWalk(g, request)
	database := ""
	if len(archives) > 0 {
		database = archives[0].Header.Database
	}
	for _, pattern := range request.Schemas {
		match, err := parsePattern(pattern, false, database)
		if err != nil {
			return nil, fmt.Errorf("\"schemas\": %w", err)
		}
		w.chooseSchemas(pattern, match)
	}
	for _, pattern := range request.Tables {
		match, err := parsePattern(pattern, true, database)
		if err != nil {
			return nil, fmt.Errorf("\"tables\": %w", err)
		}
		w.chooseTables(pattern, match)
	}
	w.close()
	return w.result(), nil
}

// WriteList writes the list of one archive for pg_restore --use-list, which reads the
// number that a line begins with. With an empty list pg_restore sets its settings and
// does nothing else.
func (r *Result) WriteList(w io.Writer, archive int) error {
	for _, id := range r.Lists[archive] {
		if _, err := fmt.Fprintf(w, "%d;\n", id); err != nil {
			return fmt.Errorf("writing the list for pg_restore: %w", err)
		}
	}
	return nil
}

package dumparchive

// Section is when pg_restore restores an entry.
type Section int

// The sections: SECTION_NONE and following in pg_backup.h.
const (
	SectionNone     Section = 1 // what belongs to the archive, or goes with its object
	SectionPreData  Section = 2
	SectionData     Section = 3
	SectionPostData Section = 4
)

// OffsetState says what is known of where an entry's data is.
type OffsetState int

// The states: K_OFFSET_POS_NOT_SET and following in pg_backup_archiver.h.
const (
	OffsetNotSet OffsetState = 1 // pg_dump wrote to a pipe; pg_restore looks for it
	OffsetSet    OffsetState = 2
	OffsetNoData OffsetState = 3 // the entry has none
)

// StatisticsData is the kind of entries with the planner's statistics of a relation, which
// pg_dump has written since version 18. Servers before that do not know their statements.
const StatisticsData = "STATISTICS DATA"

// Kinds of entries that say how the archive is to be read. pg_restore obeys them
// whatever else it is told to restore, and has no option for any of them. The statement
// is in Entry.Defn.
const (
	Encoding   = "ENCODING"   // SET client_encoding = 'UTF8';
	StdStrings = "STDSTRINGS" // SET standard_conforming_strings = 'on';
	SearchPath = "SEARCHPATH" // SELECT pg_catalog.set_config('search_path', '', false);
)

// Entry is one line of the table of contents. The names of the fields are those of
// struct _tocEntry in PostgreSQL. A string may hold whatever PostgreSQL accepts in a
// name, in the encoding of the archive: see Encoding.
type Entry struct {
	DumpID   int  // identifies the entry within this archive, and nowhere else
	HasData  bool // data follows the table of contents
	TableOID uint32
	OID      uint32 // of the object at the source, in the catalog TableOID; 0: none
	Tag      string // the object's name; of what is part of a table: "table name"
	Desc     string // the kind: "TABLE", "FK CONSTRAINT", "TABLE DATA"
	Section  Section
	Defn     string // SQL that creates it
	DropStmt string // SQL that drops it
	CopyStmt string // SQL before the rows

	Namespace  string // schema; empty: in none
	Tablespace string
	TableAM    string // table access method, since version 1.14
	Relkind    int    // pg_class.relkind, since version 1.16; 0: no relation
	Owner      string
	WithOIDs   bool // a table WITH OIDS; pg_restore has not known these since 12

	// Dependencies are the dump IDs of entries that must come before. Some of them may
	// not be in the archive.
	Dependencies []int

	OffsetState OffsetState
	Offset      int64 // of the data, from the beginning of the archive, in bytes

	nulls nulls
}

// nulls says which strings of a structure were NULL in the archive and not empty:
// pg_restore tells them apart. A string that was given a value since is no NULL.
type nulls uint16

// Bits of Entry.nulls.
const (
	nullTag nulls = 1 << iota
	nullDesc
	nullDefn
	nullDropStmt
	nullCopyStmt
	nullNamespace
	nullTablespace
	nullTableAM
	nullOwner
)

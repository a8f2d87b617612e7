package dumparchive

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// Archive is an archive that is being read: its table of contents has been, its data
// has not.
type Archive struct {
	*TOC
	data io.Reader // what follows the table of contents
}

// Open reads the header and the table of contents of an archive. Errors are ReadTOC's.
// r must not be used again, except through Stream, and stays to be closed by the caller.
func Open(r io.Reader) (*Archive, error) {
	d := newDecoder(r, MaxSize)
	toc, err := readTOC(d)
	if err != nil {
		return nil, err
	}
	return &Archive{TOC: toc, data: d.r}, nil
}

// Stream returns the whole archive, with the table of contents as it is now. The data
// is read from the reader that Open was given, as it is needed. It can be called once.
func (a *Archive) Stream() (io.Reader, error) {
	var front bytes.Buffer
	front.Grow(int(a.size)) // #nosec G115 -- at most MaxSize
	if _, err := a.WriteTo(&front); err != nil {
		return nil, err
	}
	return io.MultiReader(&front, a.data), nil
}

// SetSearchPath makes pg_restore set search_path to the given schemas, instead of
// nothing, before it restores anything. It reports whether the archive has an entry for
// that, as all have since March 2018 (version 1.13).
func (t *TOC) SetSearchPath(schemas ...string) bool {
	e := t.Find(SearchPath)
	if e == nil {
		return false
	}
	quoted := make([]string, len(schemas))
	for n, schema := range schemas {
		quoted[n] = `"` + strings.ReplaceAll(schema, `"`, `""`) + `"`
	}
	e.Defn = "SELECT pg_catalog.set_config('search_path', " + sqlscript.Literal(strings.Join(quoted, ", ")) + ", false);\n"
	return true
}

// InsertSQL adds an entry in front of Entries[at] that makes pg_restore run SQL where it
// restores data, even with --data-only, and returns its dump ID. Pointers to entries are
// not valid afterwards, nor are ByID and Index.
//
// Of the kinds that pg_restore takes for data though they have none, SEQUENCE SET is the
// one that it gives no meaning of its own.
// Source: _tocEntryRequired in src/bin/pg_dump/pg_backup_archiver.c
func (t *TOC) InsertSQL(at int, tag, sql string) (dumpID int) {
	for n := range t.Entries {
		dumpID = max(dumpID, t.Entries[n].DumpID)
	}
	dumpID++
	t.Entries = slices.Insert(t.Entries, at, Entry{
		DumpID: dumpID, Tag: tag, Desc: "SEQUENCE SET", Section: SectionData, Defn: sql + "\n",
		OffsetState: OffsetNoData, nulls: nullDropStmt | nullCopyStmt | nullNamespace | nullTablespace | nullTableAM | nullOwner,
	})
	return dumpID
}

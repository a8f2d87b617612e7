package logical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// archive is a dump in pg_dump's custom format: a record's content as it arrives, or a
// spooled file. Its table of contents, which comes first, can be read before it is
// restored.
type archive struct {
	database string           // it was made of
	parted   bool             // it is a part of a database's dump
	file     *tempfile.File   // nil for a stream
	jobs     int              // connections to restore the file with
	toc      *dumparchive.TOC // nil before readTOC

	chosen  map[int]bool             // dump IDs of what is restored; nil: everything
	schemas []manifest.ClusterSchema // that are made before it

	pathChanged bool // see changeSearchPath

	content io.Reader // of a stream: what follows head
	head    []byte    // of a stream: what was read of it
}

// newArchive describes the dump of database that content holds.
func newArchive(database string, content io.Reader) *archive {
	return &archive{database: database, content: content, jobs: 1}
}

// spool moves the rest of the content to a file.
func (a *archive) spool(files *tempfile.Dir) error {
	f, err := files.Create()
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.MultiReader(bytes.NewReader(a.head), a.content)); err != nil {
		return errors.Join(fmt.Errorf("spooling the dump of database %q: %w", a.database, err), f.Remove())
	}
	a.file, a.content, a.head = f, nil, nil
	return nil
}

// close frees the file.
func (a *archive) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Remove()
}

// open returns the file's path, or the content from its beginning.
func (a *archive) open() (path string, content io.Reader) {
	if a.file != nil {
		return a.file.Path, nil
	}
	return "", io.MultiReader(bytes.NewReader(a.head), a.content)
}

// readTOC reads the table of contents, once.
func (a *archive) readTOC() (err error) {
	if a.toc != nil {
		return nil
	}
	if a.file != nil {
		info, err := a.file.Stat()
		if err != nil {
			return err
		}
		a.toc, err = dumparchive.ReadTOC(io.NewSectionReader(a.file, 0, info.Size()))
		return damaged(err)
	}
	var read bytes.Buffer
	a.toc, err = dumparchive.ReadTOC(io.TeeReader(a.content, &read))
	a.head = read.Bytes()
	return damaged(err)
}

// damaged explains why a table of contents cannot be read.
func damaged(err error) error {
	if errors.Is(err, dumparchive.ErrNotArchive) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the dump is damaged: %w", err)
	}
	return err
}

// oldestReader is the oldest major version whose pg_restore reads the archive, 0 for all
// that are supported. Version 1.15 of the format came with PostgreSQL 16 and 1.16 with 17.
// Source: src/bin/pg_dump/pg_backup_archiver.h
func (a *archive) oldestReader() int {
	switch version := a.toc.Header.Version; {
	case version <= 114:
		return 0
	case version == 115:
		return 16
	default:
		return 17
	}
}

// newerThan reports whether the archive was made of a server, of a version like "17.5
// (Debian 17.5-1)" or "18beta1", that is of a later major version than major.
func (a *archive) newerThan(major int) bool {
	version := a.toc.Header.ServerVersion
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	of, err := strconv.Atoi(version[:digits])
	return err == nil && major < of
}

// list is the file for --use-list that has the chosen entries which keep is true of; empty is
// true if there are none.
func (a *archive) list(keep func(*dumparchive.Entry) bool) (list string, empty bool) {
	var lines, last strings.Builder
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		to := &lines
		if ofEventTrigger(e) {
			to = &last
		}
		if (a.chosen == nil || a.chosen[e.DumpID]) && keep(e) {
			fmt.Fprintf(to, "%d;\n", e.DumpID)
		}
	}
	list = lines.String() + last.String()
	return list, list == ""
}

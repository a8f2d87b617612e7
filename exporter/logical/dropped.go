package logical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// passOverDropped returns nil in place of the content of an empty dump, or part of one:
// its database was dropped during the backup. There is nothing to restore, and nothing
// is missing. If only some parts of one are empty, their content is. The manifest cannot tell whether the
// database was dropped: it may have been complete before.
func (e *Exporter) passOverDropped(kind kind, database, pathname string, content io.Reader) (io.Reader, error) {
	if kind != dump && kind != dumpPart {
		return content, nil
	}
	directory := dumpPath(pathname)
	first := make([]byte, 1)
	_, err := io.ReadFull(content, first)
	empty := errors.Is(err, io.EOF)
	switch {
	case err != nil && !empty:
		return nil, fmt.Errorf("%s: %w", pathname, err)
	case !empty && slices.Contains(e.empty, directory), empty && kind == dumpPart && e.isParted(directory):
		return nil, fmt.Errorf("%s: some files of this database are empty and others are not: the dump is damaged, or was not finished", pathname)
	case !empty:
		return io.MultiReader(bytes.NewReader(first), content), nil
	}
	if !slices.Contains(e.empty, directory) {
		e.empty = append(e.empty, directory)
		slog.Warn(fmt.Sprintf("%s was dropped during the backup: the snapshot holds nothing of it, it is passed over", emptyDatabase(database, directory)))
	}
	e.arrived[database] = directory
	e.dropped = append(e.dropped, database)
	return nil, nil
}

// dumpPath is the path of a dump, which is the directory where it is in parts.
func dumpPath(pathname string) string {
	if part, ok := recordname.ParsePart(pathname); ok {
		return part.Directory
	}
	return pathname
}

// emptyDatabase names a database whose files are empty: plakar leaves out the directory that would tell
// its name where it was asked for what is in it.
func emptyDatabase(database, directory string) string {
	if database == "" {
		return "the database of " + directory
	}
	return fmt.Sprintf("database %q", database)
}

// isParted reports whether parts from the directory came that hold something.
func (a *arrivals) isParted(directory string) bool {
	for _, d := range a.parted {
		if d.path == directory {
			return true
		}
	}
	return false
}

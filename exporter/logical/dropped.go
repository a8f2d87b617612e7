package logical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// passOverDropped returns nil in place of the content of an empty dump, or part of one:
// its database was dropped during the backup. There is nothing to restore, and nothing
// is missing.
func (e *Exporter) passOverDropped(kind kind, database, pathname string, content io.Reader) (io.Reader, error) {
	if kind != dump && kind != dumpPart {
		return content, nil
	}
	first := make([]byte, 1)
	switch _, err := io.ReadFull(content, first); {
	case err == nil:
		return io.MultiReader(bytes.NewReader(first), content), nil
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", pathname, err)
	}
	if e.arrived[database] == "" {
		slog.Warn(fmt.Sprintf("database %q was dropped during the backup: the snapshot holds nothing of it, it is passed over", database))
	}
	e.arrived[database] = pathname
	if p, ok := recordname.ParsePart(pathname); ok {
		e.arrived[database] = p.Directory
	}
	e.dropped, e.empty = append(e.dropped, database), append(e.empty, pathname)
	return nil, nil
}

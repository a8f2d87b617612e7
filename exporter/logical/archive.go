package logical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// archive is a dump in pg_dump's custom format: a record's content as it arrives,
// or a spooled file. Its table of contents, which comes first, can be looked at
// before it is restored.
type archive struct {
	database string         // it was made of
	part     bool           // it is a part of a database's dump
	file     *tempfile.File // nil for a stream
	jobs     int            // connections to restore the file with
	made     string         // name of the database in its header; "" before begin
	origin   string         // version of the server it was made of; "" before begin, and if it does not say

	content io.Reader // of a stream: what follows head
	head    []byte    // of a stream: what was read to look at it
}

// newArchive describes the dump of database that content holds.
func newArchive(database string, content io.Reader) *archive {
	return &archive{database: database, content: content}
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

// peek runs pg_restore on the beginning of the archive and returns what it printed.
// The arguments must be such that it reads the table of contents only.
func (e *Exporter) peek(ctx context.Context, a *archive, tools pgtools.Installation, args ...string) (string, error) {
	c := proc.Command{Path: tools.Path(pgtools.PgRestore), Args: args, Env: append(e.info.BaseEnv(), "LC_ALL=C")}
	path, content := a.open()
	if a.file != nil {
		c.Args = append(c.Args, path)
		return proc.Output(ctx, c)
	}
	var seen bytes.Buffer
	c.Stdin = io.TeeReader(content, &seen)
	out, err := proc.Output(ctx, c)
	// The part of head that was not read again is still in its place.
	if seen.Len() > len(a.head) {
		a.head = seen.Bytes()
	}
	return out, err
}

package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// relation names a table or materialized view, in the database's encoding.
type relation struct{ schema, name string }

func (r relation) String() string { return plain(r.schema + "." + r.name) }

// tableData is the kind of the entries with rows.
const tableData = "TABLE DATA"

// content is what an archive of pg_dump holds.
type content struct {
	toc          *dumparchive.TOC
	rows         map[relation]int64
	whole        map[relation]int64    // of tables of extensions, of which pg_dump reads a part
	names        map[relation]relation // in UTF-8, of those that are not as they are
	largeObjects int64
	bytes        int64 // of rows and large objects
	progress     *progress
}

func newContent(p *progress) *content {
	return &content{rows: make(map[relation]int64), whole: make(map[relation]int64), names: make(map[relation]relation), progress: p}
}

// count is how many rows a relation has, if they were all read.
func (c *content) count(r relation) (n int64, read bool) {
	if n, read = c.whole[r]; !read {
		n, read = c.rows[r]
	}
	return n, read
}

// named is a relation's name in UTF-8.
func (c *content) named(r relation) relation {
	if name, known := c.names[r]; known {
		return name
	}
	return relation{plain(r.schema), plain(r.name)}
}

// copyEnd is what pg_dump writes behind the rows of a table.
// Source: dumpTableData_copy in src/bin/pg_dump/pg_dump.c
const copyEnd = "\\.\n\n\n"

// readArchive reads an archive and counts its rows: each is a line, for COPY escapes those
// within values.
func readArchive(r io.Reader, p *progress) (*content, error) {
	archive, err := dumparchive.Open(r)
	if err != nil {
		return nil, err
	}
	c := newContent(p)
	c.toc = archive.TOC
	if !archive.Header.Uncompressed() {
		_, err := io.Copy(io.Discard, r)
		return c, err
	}
	return c, archive.EachData(c)
}

// Data implements dumparchive.DataReader.
func (c *content) Data(dumpID int, r io.Reader) error {
	entry := c.toc.ByID(dumpID)
	if entry == nil || entry.Desc != tableData {
		return nil
	}
	n := lineCounter{progress: c.progress}
	size, err := io.Copy(&n, r)
	c.bytes += size
	if err != nil {
		return err
	}
	rows, err := n.rows()
	if err != nil {
		return fmt.Errorf("the rows of %s: %w", relation{entry.Namespace, entry.Tag}, err)
	}
	c.rows[relation{entry.Namespace, entry.Tag}] += rows
	return nil
}

// LargeObject implements dumparchive.DataReader.
func (c *content) LargeObject(_, _ int, r io.Reader) error {
	c.largeObjects++
	n, err := io.Copy(io.Discard, r)
	c.bytes += n
	c.progress.bytes.Add(n)
	return err
}

// lineCounter counts lines.
type lineCounter struct {
	progress *progress
	lines    int64
	bytes    int64
	tail     []byte // the last of it
}

// Write implements io.Writer.
func (l *lineCounter) Write(p []byte) (int, error) {
	n := int64(bytes.Count(p, []byte{'\n'}))
	l.lines += n
	l.bytes += int64(len(p))
	l.tail = append(l.tail, p[max(0, len(p)-len(copyEnd)):]...)
	l.tail = l.tail[max(0, len(l.tail)-len(copyEnd)):]
	l.progress.rows.Add(n)
	l.progress.bytes.Add(int64(len(p)))
	return len(p), nil
}

// rows is how many rows there were, in what pg_dump wrote.
func (l *lineCounter) rows() (int64, error) {
	if string(l.tail) != copyEnd {
		return 0, errors.New("their end is missing")
	}
	return l.lines - int64(bytes.Count([]byte(copyEnd), []byte{'\n'})), nil
}

// progress is what has been read so far of all databases.
type progress struct{ rows, bytes atomic.Int64 }

// dump reads a database as pg_dump does: all definitions, and all rows of the tables that it
// saves, in one transaction. pgx and COPY would be as fast, and leave the definitions out.
func (s *server) dump(ctx context.Context, name string, p *progress) (*content, error) {
	info := s.info.WithDatabase(name)
	stream := proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		env, err := info.Env(ctx)
		return proc.Command{Path: s.tools.Path(pgtools.PgDump), Args: pgtools.DumpArgs(&options.Import{}, info.ConnString()), Env: env, Dir: "/", User: s.as}, err
	})
	c, err := readArchive(stream, p)
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // how it ended
	} else if _, cause := io.Copy(io.Discard, stream); cause != nil {
		err = cause // what ended the archive
	}
	return c, errors.Join(err, stream.Close())
}

// readDatabase reads everything in a database.
func (c *check) readDatabase(ctx context.Context, name string) (*content, Database, error) {
	began := time.Now()
	found, err := c.server.dump(ctx, name, c.progress)
	if err != nil {
		err = fmt.Errorf("database %q cannot be dumped: %w", plain(name), err)
	}
	if ctx.Err() != nil {
		return nil, Database{}, context.Cause(ctx)
	}
	if found == nil {
		found = newContent(c.progress)
	}
	err = errors.Join(err, c.server.readOthers(ctx, name, found))
	d := Database{Name: plain(name), LargeObjects: found.largeObjects, Bytes: found.bytes, Seconds: seconds(began), Tables: []Table{}}
	for r, rows := range found.rows {
		d.Rows += rows
		named := found.named(r)
		d.Tables = append(d.Tables, Table{Schema: named.schema, Name: named.name, Rows: rows})
	}
	slices.SortFunc(d.Tables, func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return found, d, err
}

// largest are the tables with the most rows.
func largest(tables []Table) []Table {
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b Table) int { return cmp.Compare(b.Rows, a.Rows) })
	return sorted[:min(len(sorted), maxTables)]
}

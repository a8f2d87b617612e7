package check

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// emptyPages is how many pages at the end of a file may be missing with nothing lost: a server adds some in
// advance, empty, which neither a backup in that moment nor a standby gets, and counts them.
// Source: RelationAddExtraBlocks of PostgreSQL 15, MAX_BUFFERS_TO_EXTEND_BY of 16
const emptyPages = 512

// storage is what the catalogue says about a relation that has a file.
type storage struct {
	name  string
	path  string // below the data directory
	pages int64  // as the last VACUUM, ANALYZE or CREATE INDEX counted them
}

// checkFiles compares the files of a database with its catalogue. A server takes a file that ends early, or that
// is missing behind a full one, for a smaller table, and says nothing. Tables of other access methods have files
// of their own, and TimescaleDB empties a chunk that it compresses, and says its old size.
func (c *check) checkFiles(ctx context.Context, database string, l limits) error {
	root, err := os.OpenRoot(c.server.path(dataName))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	f := files{root: root.FS(), limits: l, known: make(map[string]map[string]segments)}
	var wrong, fewer []string
	err = c.server.query(ctx, database, `SELECT pg_catalog.format('%s.%s', n.nspname, c.relname), pg_catalog.pg_relation_filepath(c.oid),
		CASE WHEN c.relpersistence = 'p' AND n.nspname <> '_timescaledb_internal' THEN c.relpages ELSE 0 END::bigint
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
		WHERE c.relpersistence <> 't' AND pg_catalog.pg_relation_filepath(c.oid) IS NOT NULL
		AND (a.amname = 'heap' OR a.amtype IS DISTINCT FROM 't')`, func(rows pgx.Rows) error {
		var r storage
		if err := rows.Scan(&r.name, &r.path, &r.pages); err != nil {
			return err
		}
		r.name = plain(r.name)
		pages, problem, err := f.look(r)
		if problem != "" {
			wrong = append(wrong, problem)
		} else if lost := r.pages - pages; lost > emptyPages || lost > pages {
			fewer = append(fewer, fmt.Sprintf("%s (%d in place of %d)", r.name, pages, r.pages))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking at the files of database %q: %w", plain(database), err)
	}
	if text := named(database, "these have far fewer pages than the server counted once, their ends may be lost: ", fewer); text != nil {
		c.report.warn(text.Error())
	}
	return named(database, "", wrong)
}

// segments are the sizes of the files of a relation, in bytes; -1 for one that is missing.
type segments []int64

// files are those of a cluster.
type files struct {
	root   fs.FS
	limits limits
	known  map[string]map[string]segments // by directory, and name of the first file
}

// look says how many pages a relation has, or what is wrong with its files.
func (f *files) look(r storage) (pages int64, problem string, err error) {
	dir, name := path.Split(r.path)
	dir = path.Clean(dir)
	if f.known[dir] == nil {
		if f.known[dir], err = f.list(dir); err != nil {
			return 0, "", err
		}
	}
	all := f.known[dir][name]
	if len(all) == 0 || all[0] < 0 {
		return 0, fmt.Sprintf("the file %s of %s is missing", r.path, r.name), nil
	}
	short := -1
	for n, size := range all {
		if short >= 0 && size > 0 {
			return 0, fmt.Sprintf("the file %s of %s is missing or not full, and there is more behind it", segmentPath(r.path, short), r.name), nil
		}
		if size < f.limits.segmentSize && short < 0 {
			short = n
		}
		pages += max(size, 0) / f.limits.pageSize
	}
	return pages, "", nil
}

// segmentPath is the path of a file of a relation.
func segmentPath(first string, n int) string {
	if n == 0 {
		return first
	}
	return first + "." + strconv.Itoa(n)
}

// list lists the relations in a directory. The names of other forks have an underscore.
func (f *files) list(dir string) (map[string]segments, error) {
	entries, err := fs.ReadDir(f.root, dir)
	if err != nil {
		return nil, err
	}
	all := make(map[string]segments)
	for _, entry := range entries {
		name, number, more := strings.Cut(entry.Name(), ".")
		n := 0
		if more {
			if n, err = strconv.Atoi(number); err != nil || n <= 0 || n > maxSegments {
				continue
			}
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // it is gone by now
		}
		for len(all[name]) <= n {
			all[name] = append(all[name], -1)
		}
		all[name][n] = info.Size()
	}
	return all, nil
}

// maxSegments is how many files of the usual size a relation of the largest size has.
const maxSegments = 1 << 15

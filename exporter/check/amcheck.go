package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// maxFindings is how many lines of pg_amcheck a problem has.
const maxFindings = 20

// amcheck has PostgreSQL's own tool look into the tables and B-trees of a database: whether
// they are whole, and whether the index has every row. The extension is made for that, in
// the scratch server only.
func (s *server) amcheck(ctx context.Context, name string, jobs int) error {
	info := s.info.WithDatabase(name)
	stream := proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		env, err := info.Env(ctx)
		args := []string{"--heapallindexed", "--install-missing", "--no-password", "--jobs=" + strconv.Itoa(jobs), info.ConnString()}
		return proc.Command{Path: s.tools.Path(pgtools.PgAmcheck), Args: args, Env: env, Dir: "/", User: s.as}, err
	})
	var lines []string
	more := 0
	r := bufio.NewReader(stream)
	for {
		line, err := r.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" && len(lines) < maxFindings {
			lines = append(lines, line)
		} else if line != "" {
			more++
		}
		if errors.Is(err, io.EOF) {
			return stream.Close()
		}
		if err == nil {
			continue
		}
		if closeErr := stream.Close(); ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), closeErr)
		}
		if more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more lines", more))
		}
		return fmt.Errorf("pg_amcheck found in database %q: %s (%w)", plain(name), plain(strings.Join(lines, "\n")), err)
	}
}

// countByIndex counts the rows of every table through one of its B-trees, which lead to all rows, also to those
// that are lost with the end of a file: pg_amcheck looks from the rows for what the index has of them.
func (s *server) countByIndex(ctx context.Context, database string, found *content) error {
	conn, err := s.info.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("database %q: %w", plain(database), err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	indexed, err := indexedTables(ctx, conn)
	if err != nil {
		return fmt.Errorf("listing the indexes of database %q: %w", plain(database), err)
	}
	var wrong []string
	for _, r := range indexed {
		want, read := found.count(r)
		if !read {
			continue
		}
		var n int64
		err := conn.QueryRow(ctx, "SELECT pg_catalog.count(*) FROM ONLY "+pgx.Identifier{r.schema, r.name}.Sanitize()).Scan(&n)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("%s cannot be read through its index: %s", found.named(r), err))
		case n != want:
			wrong = append(wrong, fmt.Sprintf("%s has %d rows, its index leads to %d", found.named(r), want, n))
		}
	}
	return named(database, "", wrong)
}

// cachedPages is the size of a table, in pages, that the server keeps in its cache.
const cachedPages = 10000

// indexedTables lists the tables with a B-tree that has all rows, which a session uses from now on. Large ones
// are among them only if nearly all their pages are known to be visible: each row of the others would be looked up
// in the table, one random page after another.
func indexedTables(ctx context.Context, conn *pgx.Conn) ([]relation, error) {
	for _, way := range []string{"enable_seqscan", "enable_bitmapscan"} {
		if _, err := conn.Exec(ctx, "SET "+way+" = off"); err != nil {
			return nil, err
		}
	}
	rows, err := conn.Query(ctx, `SELECT DISTINCT n.nspname::text, c.relname::text
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_class b ON b.oid = i.indexrelid JOIN pg_catalog.pg_am a ON a.oid = b.relam
		WHERE a.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL AND c.relkind IN ('r', 'm')
		AND (c.relpages < $1 OR c.relallvisible > 0.9 * c.relpages)`, cachedPages)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r relation, err error) {
		err = row.Scan(&r.schema, &r.name)
		return r, err
	})
}

package conninfo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Convertible reports whether it is known which characters the bytes of an encoding are.
func Convertible(encoding string) bool { return encoding != "" && encoding != "SQL_ASCII" }

// convertBatch is how many bytes one statement converts.
const convertBatch = 1 << 20

// Convert lets a server convert texts, and returns those that are others in the encoding to.
// What is no text in the encoding from, or cannot be one in the other, stays as it is.
func Convert(ctx context.Context, conn *pgx.Conn, texts []string, from, to string) (map[string]string, error) {
	if from == to || !Convertible(from) || !Convertible(to) {
		return nil, nil
	}
	converted := map[string]string{}
	var batch [][]byte
	size := 0
	flush := func() error {
		err := convert(ctx, conn, batch, from, to, converted)
		batch, size = batch[:0], 0
		return err
	}
	for _, text := range texts {
		if _, seen := converted[text]; seen || !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
			continue
		}
		converted[text] = text
		batch = append(batch, []byte(text))
		if size += len(text); size < convertBatch {
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
	}
	if len(batch) == 0 {
		return converted, nil
	}
	return converted, flush()
}

// convert enters what some texts are in another encoding. One that cannot be converted does
// not keep the others from it.
func convert(ctx context.Context, conn *pgx.Conn, texts [][]byte, from, to string, converted map[string]string) error {
	rows, _ := conn.Query(ctx, `SELECT pg_catalog.convert(text, $2, $3)
		FROM ROWS FROM (pg_catalog.unnest($1::bytea[])) WITH ORDINALITY AS u (text, n) ORDER BY n`, texts, from, to)
	results, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	var refused *pgconn.PgError
	switch {
	case err == nil:
		for n, result := range results {
			converted[string(texts[n])] = string(result)
		}
		return nil
	case !errors.As(err, &refused) || conn.IsClosed():
		return fmt.Errorf("converting names from %s to %s: %w", from, to, err)
	case len(texts) == 1:
		return nil
	}
	for part := range slices.Chunk(texts, (len(texts)+1)/2) {
		if err := convert(ctx, conn, part, from, to, converted); err != nil {
			return err
		}
	}
	return nil
}

package logical

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// sequenceEntry is a line of pg_restore --list about the value of a sequence.
var sequenceEntry = regexp.MustCompile(`^\d+; \d+ \d+ SEQUENCE SET `)

// setval is how such an entry's statement begins.
const setval = "SELECT pg_catalog.setval("

// addPart restores a part that came without the definitions, so that the target may
// have been in use since the dump was made: its sequences are not set back, or they
// would give numbers that they gave before.
func (e *Exporter) addPart(ctx context.Context, f *folder, a *archive, tools pgtools.Installation) error {
	listed, err := e.peek(ctx, a, tools, pgtools.ListArgs(e.options.Schemas, e.options.Tables)...)
	if err != nil {
		return err
	}
	var sequences, rest strings.Builder
	for line := range strings.Lines(listed) {
		if sequenceEntry.MatchString(line) {
			sequences.WriteString(line)
		} else {
			rest.WriteString(line)
		}
	}
	script, err := e.scriptOf(ctx, a, tools, sequences.String())
	if err != nil {
		return err
	}
	err = e.restoreEntries(ctx, f, a, tools, rest.String(), a.jobs)
	if err != nil && (e.options.ExitOnError || ctx.Err() != nil) {
		return err
	}
	return errors.Join(err, e.advance(ctx, f.target, script))
}

// scriptOf returns the statements of those entries that are in the list.
func (e *Exporter) scriptOf(ctx context.Context, a *archive, tools pgtools.Installation, entries string) (string, error) {
	if entries == "" {
		return "", nil
	}
	list, err := e.files.Write([]byte(entries))
	if err != nil {
		return "", err
	}
	defer func() { _ = list.Remove() }()
	return e.peek(ctx, a, tools, pgtools.ScriptArgs(list.Path)...)
}

// advance sets the sequences in pg_restore's script to the values that it gives them,
// if these are further than where they are.
func (e *Exporter) advance(ctx context.Context, database, script string) error {
	if script == "" {
		return nil
	}
	conn, err := e.server.info.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var errs []error
	for _, p := range split(script) {
		args, set := strings.CutPrefix(p.text, setval)
		switch {
		case set:
			err = advanceOne(ctx, conn, strings.TrimSuffix(args, ");"))
		case strings.HasPrefix(p.text, "SET client_encoding "), strings.HasPrefix(p.text, "SET standard_conforming_strings "):
			// What the names are written in.
			_, err = conn.Exec(ctx, p.text)
		default:
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("setting a sequence: %w", err))
			if e.options.ExitOnError {
				break
			}
		}
	}
	return errors.Join(errs...)
}

// advanceOne calls setval with the arguments if the sequence is not as far.
func advanceOne(ctx context.Context, conn *pgx.Conn, args string) error {
	var (
		oid    uint32
		name   string // quoted
		value  int64
		called bool
	)
	err := conn.QueryRow(ctx, `
		SELECT s::pg_catalog.regclass::pg_catalog.oid, s::pg_catalog.regclass::text, value::bigint, called
		FROM (VALUES (`+args+`)) AS saved (s, value, called)`).Scan(&oid, &name, &value, &called)
	if err != nil {
		return err
	}
	// One that counts down goes the other way.
	_, err = conn.Exec(ctx, `
		SELECT pg_catalog.setval(seqrelid, $2, $3) FROM `+name+` AS now, pg_catalog.pg_sequence
		WHERE seqrelid = $1 AND (
			CASE WHEN seqincrement > 0 THEN last_value < $2 ELSE last_value > $2 END
			OR last_value = $2 AND $3 AND NOT is_called)`, oid, value, called)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

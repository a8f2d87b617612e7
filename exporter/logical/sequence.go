package logical

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// sequenceSet is the kind of entry that has the value of a sequence; setval is how its
// statement begins.
const (
	sequenceSet = "SEQUENCE SET"
	setval      = "SELECT pg_catalog.setval("
)

// mergePart restores a part that came without the definitions, so that the target may
// have been in use since the dump was made: its sequences are not set back, or they
// would give numbers that they gave before.
func (d *partedDump) mergePart(ctx context.Context, p *part) error {
	return d.inOrder(ctx,
		func() error {
			return d.restoreEntries(ctx, p.archive, d.targetInfo(), pgtools.Restore{Clean: d.clean, Jobs: p.jobs}, noSequence)
		},
		func() error { return d.advanceSequences(ctx, p) },
	)
}

// noSequence tells entries that set no sequence: statements of ours are of that kind, too.
func noSequence(entry *dumparchive.Entry) bool {
	return entry.Desc != sequenceSet || !strings.HasPrefix(entry.Defn, setval)
}

// advanceSequences sets the sequences in the archive to the values that it has, if these
// are further than where they are.
func (d *partedDump) advanceSequences(ctx context.Context, p *part) error {
	var sequences strings.Builder
	for n := range p.toc.Entries {
		entry := &p.toc.Entries[n]
		if entry.Desc == dumparchive.Encoding || entry.Desc == dumparchive.StdStrings || !noSequence(entry) && p.chooses(entry) {
			sequences.WriteString(entry.Defn + "\n")
		}
	}
	script, err := sqlscript.Parse(sequences.String())
	if err != nil {
		return fmt.Errorf("reading the values of sequences: %w", err)
	}
	var errs []error
	err = d.server.WithSessionIn(ctx, d.target, &script, func(session *server.Session) error {
		for _, statement := range script.Statements {
			args, ok := strings.CutPrefix(statement.SQL, setval)
			if !ok {
				continue
			}
			if err := advanceSequence(ctx, session.Conn(), strings.TrimSuffix(args, ")")); err != nil {
				errs = append(errs, fmt.Errorf("setting a sequence: %w", err))
				if d.options.ExitOnError {
					break
				}
			}
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// advanceSequence calls setval with the arguments if the sequence is not as far.
func advanceSequence(ctx context.Context, conn *pgx.Conn, args string) error {
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
